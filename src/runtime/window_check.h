// SPDX-License-Identifier: Apache-2.0
// The one sentence of every backend for a pooling window that finds no place.
#pragma once

#include "base/str.h"
#include "runtime/step_kernel.h"

namespace planish {

// Throws kInvalidShape if `window` elements do not fit into `room`, an axis with its padding. An
// axis of no elements is no error: there is nothing to slide over.
inline void require_window(const StepShapes& shapes, size_t axis, int64_t in, int64_t window,
                           int64_t room) {
  shapes.require(in == 0 || window <= room,
                 concat("spatial axis ", axis, ": a window of ", window,
                        " does not fit into the padded input of ", room));
}

}  // namespace planish
