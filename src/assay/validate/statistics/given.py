"""See `assay.validate.given`, which loads nothing heavy."""

from assay.validate.given import check_share as check_share
from assay.validate.given import plain as plain
from assay.validate.given import together as together
from assay.validate.given import whole as whole
