"""Writes numpy_hist.json: numpy's answers for test_hist.c.

python3 tests/dumps/numpy_hist.py > tests/dumps/numpy_hist.json
"""
import json
import numpy

edges = numpy.logspace(-10, 0, 50)
x = numpy.append(10 ** numpy.random.RandomState(0).normal(-3, 2.5, 60), [0, 0])
counts, _ = numpy.histogram(abs(x) + 1e-10, edges)
density, _ = numpy.histogram(abs(x) + 1e-10, edges, density=True)
print(json.dumps({"numpy": numpy.__version__, "edges": edges.tolist(),
                  "x": x.tolist(), "counts": counts.tolist(),
                  "density": density.tolist()}))
