import pytest

from grokscope.errors import TooLargeError
from grokscope.ops.memory import check_memory, free_memory


def test_what_fits_is_let_pass_and_what_does_not_is_refused_with_the_estimate():
    free = free_memory()
    assert free > 1 << 26
    check_memory(free // 4, "exact Hessian")
    with pytest.raises(
        TooLargeError, match=r"^exact Hessian: needs about 4000000\.0 GB, .* GB are"
    ):
        check_memory(4 * 10**15, "exact Hessian")
