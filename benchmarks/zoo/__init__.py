# SPDX-License-Identifier: Apache-2.0
"""The zoo: networks that the engine is measured and verified on.

from benchmarks import zoo
for model in zoo.all_models().values():
    path = model.path()
    feeds = model.feeds(model.cases[0])
"""

from benchmarks.zoo.registry import Case, Feeds, Model, all_models, select

__all__ = ["Case", "Feeds", "Model", "all_models", "select"]
