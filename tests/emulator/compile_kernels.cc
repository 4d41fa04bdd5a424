// SPDX-License-Identifier: Apache-2.0
#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "emulator/emulator.h"

namespace planish::emulator {
namespace {

// Runs a command of the shell; its output is returned if it fails.
std::string run(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return "cannot run " + command;
  std::string output;
  char buffer[4096];
  size_t got = 0;
  while ((got = fread(buffer, 1, sizeof(buffer), pipe)) > 0) output.append(buffer, got);
  const int status = pclose(pipe);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return output.empty() ? command + " failed" : output;
}

}  // namespace

std::string compile_kernels(const std::string& source, const std::string& output) {
  const std::string text = output + ".cc";
  const std::string object = output + ".o";
  std::ofstream(text) << source;
  // The object is compiled apart from linking, so that ccache can keep it.
  std::string complaint =
      run(std::string(PLANISH_EMULATED_COMPILE) + " -c '" + text + "' -o '" + object + "'");
  if (complaint.empty()) {
    complaint = run(std::string(PLANISH_EMULATED_LINK) + " '" + object + "' -o '" + output + "'");
  }
  std::filesystem::remove(text);
  std::filesystem::remove(object);
  return complaint;
}

}  // namespace planish::emulator
