// SPDX-License-Identifier: Apache-2.0
// The planish command.
#include <csignal>
#include <cstdio>

#include "common.h"

int main(int argc, char** argv) {
  CLI::App app{"Planish compiles trained networks into fast engines and runs them."};
  app.set_version_flag("--version", planish_version());
  app.require_subcommand(1);
  app.footer("Each verb has examples: planish build --help");
  app.get_formatter()->column_width(30);
  int exit_code = 0;
  planish::cli::add_build(app, exit_code);
  planish::cli::add_run(app, exit_code);
  planish::cli::add_bench(app, exit_code);
  planish::cli::add_verify(app, exit_code);
  planish::cli::add_inspect(app, exit_code);
  planish::cli::add_doctor(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  } catch (const planish::Error& e) {
    bool json = false;
    for (int i = 1; i < argc; ++i) json |= std::string(argv[i]) == "--json";
    planish::cli::print_error(e, json);
    return planish::cli::exit_code_of(e.code());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "planish: internal error: %s\n", e.what());
    return 70;
  }
  return exit_code;
}
