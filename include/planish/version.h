// SPDX-License-Identifier: Apache-2.0
// The version of Planish, in one place: CMake, the Python package and the plan writer read it here.
#pragma once

#define PLANISH_VERSION "0.1.0"
