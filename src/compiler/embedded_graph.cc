// SPDX-License-Identifier: Apache-2.0
#include "compiler/embedded_graph.h"

#include <algorithm>
#include <string_view>

#include "backend/ref/compile/lower.h"
#include "ir/text.h"

namespace planish {
namespace {

// A few characters of text ask for any amount of one repeated number; what real graphs repeat is
// far less.
constexpr int64_t kSplatBytes = int64_t{1} << 30;

}  // namespace

std::optional<plan::Program> embedded_graph(const plan::Plan& plan) {
  const auto section = std::find_if(plan.sections.begin(), plan.sections.end(),
                                    [](const plan::Section& s) { return s.name == "graph"; });
  if (section == plan.sections.end()) return std::nullopt;
  if (plan.unchecked != nullptr) plan.unchecked->run(1);
  const auto bytes = section->data.bytes;
  const auto graph = ir::parse(
      std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), kSplatBytes);
  plan::Plan shown;
  ref::lower(*graph, {}, shown);
  return shown.main();
}

}  // namespace planish
