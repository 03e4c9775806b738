"""The ``leptophile`` command line, one module a command."""
