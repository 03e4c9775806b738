"""Leading-order theory of the leptophilic scalar: widths, cross-section, matrix element, muon g−2."""
