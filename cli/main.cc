// SPDX-License-Identifier: Apache-2.0
// The planish command.
#include <cstdio>
#include <cstring>
#include <new>

#include "common.h"
#include "help.h"

namespace {

using planish::Error;
using planish::ErrorCode;

int parse_and_run(CLI::App& app, int argc, char** argv, const int& exit_code) {
  try {
    app.parse(argc, argv);
    return exit_code;
  } catch (const CLI::Success& asked_for_help) {
    return app.exit(asked_for_help);
  } catch (const CLI::ParseError& e) {
    std::string verb, verbs;
    for (const CLI::App* used : app.get_subcommands()) verb = " " + used->get_name();
    for (const CLI::App* known : app.get_subcommands([](const CLI::App*) { return true; }))
      verbs += (verbs.empty() ? "" : ", ") + known->get_name();
    if (verb.empty() && argc > 1 && argv[1][0] != '-')
      throw Error(ErrorCode::kInvalidArgument,
                  "there is no verb \"" + std::string(argv[1]) + "\": expected " + verbs);
    if (verb.empty() && (argc == 1 || std::strcmp(e.what(), "A subcommand is required") == 0))
      throw Error(ErrorCode::kInvalidArgument, "expected a verb: " + verbs, "",
                  "see planish --help");
    throw Error(ErrorCode::kInvalidArgument, e.what(), "", "see planish" + verb + " --help");
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Planish compiles trained networks into fast engines and runs them."};
  app.set_version_flag("--version", planish_version());
  app.require_subcommand(1);
  app.formatter(std::make_shared<planish::cli::HelpFormatter>());
  app.get_formatter()->label("Subcommands", "Verbs");
  app.footer("Each verb has examples: planish build --help");
  int exit_code = 0;
  planish::cli::add_build(app, exit_code);
  planish::cli::add_run(app, exit_code);
  planish::cli::add_bench(app, exit_code);
  planish::cli::add_verify(app, exit_code);
  planish::cli::add_inspect(app, exit_code);
  planish::cli::add_doctor(app, exit_code);
  bool json = false;
  for (int i = 1; i < argc; ++i) json |= std::strcmp(argv[i], "--json") == 0;
  const auto report = [json](const Error& error) {
    planish::cli::print_error(error, json);
    return planish::cli::exit_code_of(error.code());
  };
  try {
    return parse_and_run(app, argc, argv, exit_code);
  } catch (const Error& e) {
    return report(e);
  } catch (const std::bad_alloc&) {
    return report(Error(ErrorCode::kOutOfMemory, "no memory"));
  } catch (const std::exception& e) {
    return report(Error(ErrorCode::kInternal, e.what()));
  }
}
