"""All cases."""

from tests.bad_inputs import annotation_cases, archive_cases, dicom_cases, image_cases, other_cases, table_cases

MODULES = (image_cases, annotation_cases, archive_cases, dicom_cases, table_cases, other_cases)
CASES = [case for module in MODULES for case in module.CASES]
