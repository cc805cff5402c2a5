"""Writes numpy_percentile.json: numpy's answers for test_record.c.

python3 tests/dumps/numpy_percentile.py > tests/dumps/numpy_percentile.json
"""
import json
import numpy

names = dict(min=0, p05=5, p25=25, median=50, p75=75, p95=95, max=100)
cases = []
for n in (1, 2, 3, 20, 41):
    x = 10 ** numpy.random.RandomState(n).normal(-3, 2.5, n)
    case = {k: float(numpy.percentile(x, p)) for k, p in names.items()}
    cases.append(dict(case, x=x.tolist(), mean=float(x.mean())))
print(json.dumps(dict(numpy=numpy.__version__, cases=cases)))
