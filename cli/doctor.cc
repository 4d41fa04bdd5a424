// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "common.h"
#include "dtypes.h"
#include "files.h"
#include "inputs.h"
#include "npy.h"

namespace planish::cli {
namespace {

struct Check {
  std::string what, found, fix;  // fix is empty where nothing is missing
};

bool runs(const std::string& command) {
  return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
}

void add_machine(std::vector<Check>& out) {
  const char* text = nullptr;
  detail::check(planish_describe_gpu(nullptr, &text));
  const auto gpu = nlohmann::ordered_json::parse(text);
  const std::string isa = gpu["processor"];
  out.push_back({"processor",
                 (isa == "plain"  ? "plain x86-64"
                  : isa == "avx2" ? "AVX2"
                                  : "AVX-512") +
                     std::string(", ") + std::to_string(std::thread::hardware_concurrency()) +
                     " cores",
                 ""});
  const double memory =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  out.push_back({"memory", bytes_text(memory), ""});
  const std::string driver = gpu["driver"];
  if (driver.empty()) {
    out.push_back({"NVIDIA driver", "none, the CPU computes: " + std::string(gpu["reason"]),
                   std::string(gpu["fix"])});
  } else {
    out.push_back({"NVIDIA driver", "for CUDA " + driver, ""});
  }
  for (const auto& device : gpu["devices"]) {
    const std::string target = device["target"];
    out.push_back({"cuda:" + std::to_string(int{device["number"]}),
                   std::string(device["name"]) + ", " + bytes_text(double{device["memory_bytes"]}) +
                       ", " + (target.empty() ? "too old for Planish" : target),
                   ""});
  }
  const std::string compiler = gpu["compiler"];
  out.push_back({"NVRTC",
                 compiler.empty() ? "not found: engines for GPUs cannot be built"
                                  : compiler + " (" + std::string(gpu["compiler_path"]) + ")",
                 compiler.empty() ? "python3 -m pip install nvidia-cuda-nvrtc" : ""});
  if (!driver.empty())
    out.push_back({"engines on GPUs",
                   gpu["usable"] ? "yes: auto takes the GPU"
                                 : "no, auto takes the CPU: " + std::string(gpu["reason"]),
                   ""});
  const std::string cache = gpu["kernel_cache"];
  out.push_back({"kernel cache", cache.empty() ? "none" : cache, ""});
}

std::vector<Check> checks() {
  std::vector<Check> out;
  add_machine(out);
  const std::string usual = usual_python();
  const std::string python = usual == "python3" ? usual : shell_quoted(usual);
  out.push_back(runs(python + " -c 'import onnxruntime, numpy'")
                    ? Check{"ONNX Runtime", "found: verify compares with it", ""}
                    : Check{"ONNX Runtime", "not found: verify compares with the reference",
                            python + " -m pip install onnxruntime"});
  return out;
}

int run_doctor(bool json) {
  const std::vector<Check> all = checks();
  if (json) {
    nlohmann::ordered_json out{{"version", planish_version()}};
    for (const Check& c : all)
      out["checks"].push_back({{"what", c.what}, {"found", c.found}, {"fix", c.fix}});
    std::printf("%s\n", out.dump(2).c_str());
    return 0;
  }
  std::printf("planish %s\n", planish_version());
  for (const Check& c : all) {
    print_line(c.what, c.found, 17);
    if (!c.fix.empty()) std::printf("%-16s   to have it: %s\n", "", c.fix.c_str());
  }
  return 0;
}

}  // namespace

void add_doctor(CLI::App& app, int& exit_code) {
  auto json = std::make_shared<bool>(false);
  CLI::App* verb =
      app.add_subcommand("doctor", "show what this machine has, and how to get what is missing");
  verb->add_flag("--json", *json, "print the result as JSON");
  verb->footer("Example:\n  planish doctor");
  verb->callback([json, &exit_code] { exit_code = run_doctor(*json); });
}

}  // namespace planish::cli
