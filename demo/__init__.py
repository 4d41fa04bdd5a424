# SPDX-License-Identifier: Apache-2.0
"""The demo: two networks of an OCR system read the text of a picture."""
