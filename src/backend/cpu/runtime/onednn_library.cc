// SPDX-License-Identifier: Apache-2.0
#include "backend/cpu/runtime/onednn_library.h"

#include <dlfcn.h>

#include <cstring>

#include "base/str.h"
#include "planish/error.h"
#include "planish/version.h"

namespace planish::cpu {
namespace {

struct Opened {
  const OnednnTable* table = nullptr;
  std::string why;
};

// Beside the library that this function is in: no search path, no variable has a say.
std::string library_path() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&find_onednn), &info) == 0 || info.dli_fname == nullptr)
    return {};
  const std::string self = info.dli_fname;
  const size_t slash = self.rfind('/');
  return concat(slash == std::string::npos ? "." : self.substr(0, slash), "/libplanish_onednn.so");
}

Opened open_library() {
  const std::string path = library_path();
  if (path.empty()) return {.why = "the folder of Planish's libraries is not known"};
  // It stays open: kernels of it live in engines.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* reason = dlerror();
    return {.why =
                concat("oneDNN's tactics cannot be opened: ", reason == nullptr ? path : reason)};
  }
  const auto* table = static_cast<const OnednnTable*>(dlsym(library, "planish_onednn_table"));
  if (table == nullptr) return {.why = concat(path, " is not Planish's library of tactics")};
  if (std::strcmp(table->planish_version, PLANISH_VERSION) != 0)
    return {.why = concat(path, " belongs to Planish ", table->planish_version, ", this is ",
                          PLANISH_VERSION)};
  return {.table = table, .why = {}};
}

std::unique_ptr<StepKernel> make_onednn(const StepInfo& info) {
  std::string why;
  if (const OnednnTable* table = find_onednn(&why)) return table->make(info);
  throw Error(ErrorCode::kVersionMismatch,
              concat("step \"", info.step().node, "\" is computed by oneDNN, but ", why),
              info.step().node,
              "install Planish with its oneDNN library (libplanish_onednn.so, libdnnl.so.3 and the "
              "system's libgomp1), or build the model again with disable_tactic=onednn");
}

const RegisterStepKernel kConv("onednn.conv", make_onednn);
const RegisterStepKernel kDeconv("onednn.deconv", make_onednn);
const RegisterStepKernel kMatmul("onednn.matmul", make_onednn);
const RegisterStepKernel kPool("onednn.pool", make_onednn);

}  // namespace

const OnednnTable* find_onednn(std::string* why) {
  static const Opened kOpened = open_library();
  if (why != nullptr) *why = kOpened.why;
  return kOpened.table;
}

}  // namespace planish::cpu
