# SPDX-License-Identifier: Apache-2.0
"""Models, timings and comparisons with other engines."""
