// SPDX-License-Identifier: Apache-2.0
// Plans from files and bytes. Everything is verified before it is used.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/file.h"
#include "plan/plan.h"

namespace planish::plan {

// What a reader throws: kInvalidPlan if the bytes are damaged or no plan; kVersionMismatch if the
// plan has another format, with the version that made it and, as hint, the command that makes it
// again; kFileError if the file cannot be read.

// kMap: weights stay in the file until they are used, and Plan::unchecked is set. kCopy: all is
// read and checked now, and the file may change afterwards.
Plan load_plan(const std::string& path, FileAccess access = FileAccess::kMap);
// Copies the bytes and checks all of them.
Plan read_plan(std::span<const std::byte> bytes);
// The plan points into `bytes`, which must be aligned to 64; their owner is kept.
Plan read_plan(const OwnedBytes& bytes, bool defer_check);

}  // namespace planish::plan
