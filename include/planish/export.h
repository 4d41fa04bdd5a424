// SPDX-License-Identifier: Apache-2.0
// PLANISH_API marks what a shared library exports although its layer is compiled with hidden
// visibility (the importer, so that no protobuf symbol can meet another copy in the process).
#pragma once

#define PLANISH_API __attribute__((visibility("default")))
