// SPDX-License-Identifier: Apache-2.0
#include "backend/cuda/compile/nvrtc.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "base/str.h"
#include "planish/error.h"

namespace planish::cuda {
namespace {

namespace fs = std::filesystem;

struct NvrtcProgramObject;
using NvrtcProgram = NvrtcProgramObject*;

// Newest first: names that the toolkits give the library.
constexpr const char* kNames[] = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"};
constexpr int kLeastVersion = 12040;
// Besides the architecture.
constexpr const char* kFlags[] = {"--std=c++20", "--device-as-default-execution-space",
                                  "--diag-suppress=177"};

struct Functions {
  int (*version)(int*, int*) = nullptr;
  int (*target_count)(int*) = nullptr;
  int (*targets)(int*) = nullptr;
  int (*create)(NvrtcProgram*, const char*, const char*, int, const char* const*,
                const char* const*) = nullptr;
  int (*destroy)(NvrtcProgram*) = nullptr;
  int (*compile)(NvrtcProgram, int, const char* const*) = nullptr;
  int (*code_size)(NvrtcProgram, size_t*) = nullptr;
  int (*code)(NvrtcProgram, char*) = nullptr;
  int (*log_size)(NvrtcProgram, size_t*) = nullptr;
  int (*log)(NvrtcProgram, char*) = nullptr;
};

class Nvrtc final : public KernelCompiler {
 public:
  // Null, with the reason, if the library cannot be used.
  static std::shared_ptr<const Nvrtc> open(const std::string& path, std::string* reason) {
    auto made = std::shared_ptr<Nvrtc>(new Nvrtc());
    void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      const char* error = dlerror();
      *reason = error != nullptr ? error : "it cannot be opened";
      return nullptr;
    }
    Functions& f = made->f_;
    const bool is_whole = load(handle, "nvrtcVersion", f.version) &&
                          load(handle, "nvrtcGetNumSupportedArchs", f.target_count) &&
                          load(handle, "nvrtcGetSupportedArchs", f.targets) &&
                          load(handle, "nvrtcCreateProgram", f.create) &&
                          load(handle, "nvrtcDestroyProgram", f.destroy) &&
                          load(handle, "nvrtcCompileProgram", f.compile) &&
                          load(handle, "nvrtcGetCUBINSize", f.code_size) &&
                          load(handle, "nvrtcGetCUBIN", f.code) &&
                          load(handle, "nvrtcGetProgramLogSize", f.log_size) &&
                          load(handle, "nvrtcGetProgramLog", f.log);
    int major = 0, minor = 0;
    if (!is_whole || f.version(&major, &minor) != 0) {
      *reason = "it lacks functions of NVRTC";
      return nullptr;
    }
    made->version_ = major * 1000 + minor * 10;
    if (made->version_ < kLeastVersion) {
      *reason = concat("it is version ", major, ".", minor, ", Planish needs 12.4");
      return nullptr;
    }
    int count = 0;
    if (f.target_count(&count) == 0 && count > 0) {
      made->targets_.resize(static_cast<size_t>(count));
      f.targets(made->targets_.data());
    }
    return made;
  }

  std::string version() const override {
    return concat("nvrtc ", version_ / 1000, ".", version_ % 1000 / 10);
  }
  std::string flags() const override {
    return join(std::vector<std::string>(std::begin(kFlags), std::end(kFlags)), " ");
  }
  // Machine code of a toolkit runs on every driver of its major version.
  int least_driver() const override { return version_ / 1000 * 1000; }
  bool knows(const Target& target) const override {
    return std::find(targets_.begin(), targets_.end(), target.number()) != targets_.end();
  }

  Code compile(const std::string& source, const Target& target) const override {
    std::vector<const char*> texts, names;
    std::vector<std::string> keep;  // terminated, as NVRTC wants them
    keep.reserve(2 * kernel_files().size());
    for (const auto& [name, text] : kernel_files()) {
      texts.push_back(keep.emplace_back(text).c_str());
      names.push_back(keep.emplace_back(name).c_str());
    }
    NvrtcProgram program = nullptr;
    if (f_.create(&program, source.c_str(), "kernel.cu", static_cast<int>(texts.size()),
                  texts.data(), names.data()) != 0)
      throw Error(ErrorCode::kInternal, "NVRTC takes no program");
    const std::shared_ptr<NvrtcProgramObject> keeper(program,
                                                     [this](NvrtcProgram p) { f_.destroy(&p); });
    const std::string architecture = concat("--gpu-architecture=", target.name());
    std::vector<const char*> options{architecture.c_str()};
    options.insert(options.end(), std::begin(kFlags), std::end(kFlags));
    const int result = f_.compile(program, static_cast<int>(options.size()), options.data());
    if (result != 0)
      throw Error(ErrorCode::kInternal, concat("NVRTC cannot compile a kernel for ", target.name(),
                                               ":\n", log_of(program), "\n", source));
    size_t size = 0;
    f_.code_size(program, &size);
    Code code(size);
    if (size == 0 || f_.code(program, reinterpret_cast<char*>(code.data())) != 0)
      throw Error(ErrorCode::kInternal, "NVRTC made no machine code");
    return code;
  }

 private:
  Nvrtc() = default;

  template <class Function>
  static bool load(void* handle, const char* symbol, Function& function) {
    function = reinterpret_cast<Function>(dlsym(handle, symbol));
    return function != nullptr;
  }

  std::string log_of(NvrtcProgram program) const {
    size_t size = 0;
    if (f_.log_size(program, &size) != 0 || size < 2) return "no log";
    std::string log(size, '\0');
    f_.log(program, log.data());
    log.resize(size - 1);
    return log;
  }

  Functions f_;
  int version_ = 0;
  std::vector<int> targets_;
};

// The folder that holds the packages that pip installed, if this library is in one of them.
std::vector<fs::path> package_folders() {
  std::vector<fs::path> out;
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&package_folders), &info) == 0 ||
      info.dli_fname == nullptr)
    return out;
  std::error_code ignored;
  fs::path at = fs::canonical(info.dli_fname, ignored).parent_path();
  for (int up = 0; up < 3 && at.has_relative_path(); ++up, at = at.parent_path())
    if (fs::is_directory(at / "nvidia", ignored)) {
      out.push_back(at / "nvidia/cu13/lib");
      out.push_back(at / "nvidia/cuda_nvrtc/lib");
    }
  return out;
}

std::vector<std::string> candidates(const std::string& path) {
  std::vector<std::string> out;
  std::error_code ignored;
  const auto add_folder = [&](const fs::path& folder) {
    for (const char* name : kNames)
      if (fs::exists(folder / name, ignored)) out.push_back((folder / name).string());
  };
  if (!path.empty()) {
    if (fs::is_directory(path, ignored))
      add_folder(path);
    else
      out.push_back(path);
    return out;
  }
  for (const fs::path& folder : package_folders()) add_folder(folder);
  // The variable by which every CUDA tool is told where its toolkit is.
  if (const char* home = std::getenv("CUDA_HOME"); home != nullptr && *home != '\0')
    add_folder(fs::path(home) / "lib64");
  add_folder("/usr/local/cuda/lib64");
  out.insert(out.end(), std::begin(kNames), std::end(kNames));
  return out;
}

}  // namespace

NvrtcSearch find_nvrtc(const std::string& path) {
  NvrtcSearch search;
  for (const std::string& candidate : candidates(path)) {
    std::string reason;
    search.compiler = Nvrtc::open(candidate, &reason);
    if (search.compiler != nullptr) {
      search.path = candidate;
      return search;
    }
    search.tried.push_back(concat(candidate, ": ", reason));
  }
  return search;
}

std::shared_ptr<const KernelCompiler> open_nvrtc(const std::string& path) {
  NvrtcSearch search = find_nvrtc(path);
  if (search.compiler != nullptr) return search.compiler;
  throw Error(ErrorCode::kDeviceError,
              concat("NVRTC, which compiles kernels, is not found",
                     search.tried.empty() ? "" : ": ", join(search.tried, "; ")),
              "", "pip install nvidia-cuda-nvrtc, or name the library with the option nvrtc");
}

}  // namespace planish::cuda
