// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <exception>
#include <map>
#include <string>
#include <vector>

#include "planish/error.h"
#include "verbs.h"

namespace planish::dev {
namespace {

std::map<std::string, Verb>& verbs() {
  static std::map<std::string, Verb> all;
  return all;
}

int print_usage() {
  std::fprintf(stderr, "usage: planish_dev VERB ...\n");
  for (const auto& [name, verb] : verbs())
    std::fprintf(stderr, "  %-10s %s\n", name.c_str(), verb.summary);
  return 2;
}

int run(int argc, char** argv) {
  const auto verb = argc > 1 ? verbs().find(argv[1]) : verbs().end();
  if (verb == verbs().end()) return print_usage();
  try {
    return verb->second.run(std::vector<std::string>(argv + 2, argv + argc));
  } catch (const Error& e) {
    std::fprintf(stderr, "planish_dev %s: %s: %s\n", argv[1], e.code_name(), e.what());
    if (!e.hint().empty()) std::fprintf(stderr, "  %s\n", e.hint().c_str());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "planish_dev %s: %s\n", argv[1], e.what());
  }
  return 1;
}

}  // namespace

RegisterVerb::RegisterVerb(Verb verb) { verbs().emplace(verb.name, verb); }

void fail_usage(const std::string& what) { throw Error(ErrorCode::kInvalidArgument, what); }

}  // namespace planish::dev

int main(int argc, char** argv) { return planish::dev::run(argc, argv); }
