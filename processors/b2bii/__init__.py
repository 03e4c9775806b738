"""Event-based multi-tree files, as basf2 writes them from converted Belle data (B2BII), to compact ntuples."""
