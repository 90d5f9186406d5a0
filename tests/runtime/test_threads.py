import os
import subprocess
import sys

import pytest

from loopback_core.runtime.threads import compute_threads

THEIRS = """
import numpy, threadpoolctl
blas = [library["num_threads"] for library in threadpoolctl.threadpool_info() if library["internal_api"] == "openblas"]
import torch
print({"torch": torch.get_num_threads(), "blas": max(blas)})
"""
VARIABLES = ("MKL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@pytest.mark.parametrize("given", [{}, {"OMP_NUM_THREADS": "1"}, {"MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "2"}])
def test_torch_and_blas_use_as_many_threads_as_is_said(given):
    environ = {**{name: value for name, value in os.environ.items() if name not in VARIABLES}, **given}
    theirs = subprocess.run([sys.executable, "-c", THEIRS], env=environ, capture_output=True, text=True, check=True)
    assert theirs.stdout.strip() == str(compute_threads(environ))


def test_values_that_are_not_positive_numbers_are_ignored():
    anything = compute_threads({})
    for value in ("", "0", "many", "-1"):
        assert compute_threads(dict.fromkeys(VARIABLES, value)) == anything


def test_of_a_list_the_first_number_counts():
    assert compute_threads({"OMP_NUM_THREADS": "1,8"}) == {"torch": 1, "blas": 1}
