"""The contract of strategies, under the name of the other contracts; see `assay.learn.strategies.honesty`."""

from assay.learn.strategies.honesty import check as check
from assay.learn.strategies.honesty import rows_of as rows_of
