"""basf2 steering file: Belle mDST to the event-based trees that `leptophile convert` reads.

    basf2 steering.py data|mc|signal INPUT.mdst OUTPUT.root

Runs where basf2 and the Belle database are (docs/convert.md). The lists of variables are those of
`processors/b2bii/variables.py`; a test holds them together.
"""

import sys

EVENT_VARIABLES = ["IPX", "IPY", "IPZ", "beamPx", "beamPy", "beamPz", "beamE", "Ecms"]
MOMENTUM = ["px", "py", "pz", "E"]
TRACK_VARIABLES = [
    "charge",
    *MOMENTUM,
    "d0",
    "phi0",
    "omega",
    "z0",
    "tanLambda",
    *(f"trackFitCovariance({i}, {j})" for i in range(5) for j in range(i, 5)),
    "dr",
    "dz",
    "eIDBelle",
    "muIDBelle",
    "muIDBelleQuality",
    "atcPIDBelle(3,2)",
]
MATCHED_VARIABLES = ["mcPDG", "genMotherPDG", "genParticleID"]
PHOTON_VARIABLES = [*MOMENTUM, "clusterE9E25", "clusterTheta", "mdstIndex"]
PI0_VARIABLES = [*MOMENTUM, "daughter(0, mdstIndex)", "daughter(1, mdstIndex)"]
GENERATOR_VARIABLES = [
    "mcPDG",
    *MOMENTUM,
    "genParticleID",
    "genMotherID",
    "mcProdVertexX",
    "mcProdVertexY",
    "mcProdVertexZ",
]
# A particle list holds one species, so each has a tree; conversion joins all trees `mc` and `mc_…`.
GENERATOR_LISTS = {
    "mc": "pi+:MC",
    "mc_electron": "e-:MC",
    "mc_muon": "mu-:MC",
    "mc_tau": "tau-:MC",
    "mc_kaon": "K+:MC",
}
# The name of φ in the table of particles that the signal was generated with.
PHI_LIST = {"mc_phi": "Higgs0:MC"}
MAX_CANDIDATES = 200


def add_trees(path, kind, output):
    """Fill the particle lists and write one tree for each.

    Parameters
    ----------
    path
        basf2 path with converted Belle events.
    kind
        `data`, `mc`, or `signal`, which has φ as well.
    output
        The ROOT file, the same for all trees.
    """
    import modularAnalysis as ma  # noqa: N813 - basf2's own habit

    is_mc = kind != "data"
    # Photons and π⁰ of Mdst_Gamma and Mdst_Pi0 are in gamma:mdst and pi0:mdst since the conversion.
    ma.fillParticleList("pi+:all", "", path=path)
    trees = {
        "track": ("pi+:all", TRACK_VARIABLES + (MATCHED_VARIABLES if is_mc else [])),
        "photon": ("gamma:mdst", PHOTON_VARIABLES),
        "pi0": ("pi0:mdst", PI0_VARIABLES),
    }
    if is_mc:
        ma.matchMCTruth("pi+:all", path=path)
        generated = GENERATOR_LISTS | (PHI_LIST if kind == "signal" else {})
        for tree, particles in generated.items():
            ma.fillParticleListFromMC(particles, "", skipNonPrimaryDaughters=True, path=path)
            trees[tree] = (particles, GENERATOR_VARIABLES)
    for tree, (particles, variables) in trees.items():
        path.add_module(
            "VariablesToEventBasedTree",
            particleList=particles,
            variables=variables,
            event_variables=EVENT_VARIABLES,
            fileName=output,
            treeName=tree,
            maxCandidates=MAX_CANDIDATES,
        )


def main(kind, source, output):
    """Convert one mDST file."""
    import basf2 as b2
    from b2biiConversion import convertBelleMdstToBelleIIMdst

    b2.conditions.disable_globaltag_replay()
    b2.conditions.globaltags = ["B2BII" if kind == "data" else "B2BII_MC"]
    path = b2.create_path()
    # The hadronic skims would throw τ pairs away.
    convertBelleMdstToBelleIIMdst(source, HadronA=False, HadronB=False, path=path)
    add_trees(path, kind, output)
    b2.process(path)


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("data", "mc", "signal"):
        sys.exit(__doc__)
    main(*sys.argv[1:])
