"""Event generators and a parametrised Belle detector, written out in the format that the processors read."""
