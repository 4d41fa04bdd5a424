// SPDX-License-Identifier: Apache-2.0
// Help texts that fit the terminal.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace planish::cli {

// Options and verbs with their descriptions wrapped beside them.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  std::string make_subcommand(const CLI::App* verb) const override;
  std::string make_usage(const CLI::App* app, std::string name) const override;
};

}  // namespace planish::cli
