"""Writes grid_edges.json: the doubles nearest to the edges, for test_hist.c.

python3 tests/dumps/grid_edges.py > tests/dumps/grid_edges.json

Powers of ten by decimal arithmetic of 80 digits, rounded once.
"""
import decimal
import json

decimal.getcontext().prec = 80
GRIDS = {"notebook": (49, 49, -10), "extended": (196, 49, -30),
         "decade8": (320, 80, -30)}     # bins, bins in ten decades, first decade

print(json.dumps({name: [
    float(decimal.Decimal(10) ** (decimal.Decimal(10 * i) / per + first))
    for i in range(bins + 1)] for name, (bins, per, first) in GRIDS.items()}))
