"""Writes numpy_views.json: numpy's answers for test_views.c.

python3 tests/dumps/numpy_views.py > tests/dumps/numpy_views.json
"""
import json
import numpy

random = numpy.random.RandomState(1)

# The notebook's histogram of samples, some of them out of its range.
bins = numpy.logspace(-10, 0, 50)
x = numpy.append(10 ** random.normal(-4, 3, 200), [0, 0, 1e-30, 7, 1])
counts, _ = numpy.histogram(abs(x) + 1e-10, bins)
density, _ = numpy.histogram(abs(x) + 1e-10, bins, density=True)

# A line through log10 of medians: 12 convolutions, 0.3 decades a layer down.
depth = numpy.arange(1, 13)
median = 10 ** (-0.3 * depth + random.normal(0, 0.2, depth.size))
(slope, _), cov = numpy.polyfit(depth, numpy.log10(median), 1, cov=True)
r = numpy.corrcoef(depth, numpy.log10(median))[0, 1]

print(json.dumps({
    "numpy": numpy.__version__, "samples": x.tolist(),
    "counts": counts.tolist(), "density": density.tolist(),
    "medians": median.tolist(), "slope": slope,
    "error": float(numpy.sqrt(cov[0, 0])), "r2": r * r}))
