// SPDX-License-Identifier: Apache-2.0
#include "help.h"

#include <algorithm>
#include <sstream>

#include "common.h"

namespace planish::cli {
namespace {

constexpr size_t kColumn = 26;

std::string beside(const std::string& left, const std::string& text) {
  const size_t width = std::max<size_t>(terminal_columns(), 60) - 1;
  std::string out = "  " + left;
  if (out.size() + 2 > kColumn)
    out += "\n" + std::string(kColumn, ' ');
  else
    out.resize(kColumn, ' ');
  std::istringstream words(text);
  std::string word;
  size_t at = kColumn;
  while (words >> word) {
    if (at > kColumn && at + 1 + word.size() > width) {
      out += "\n" + std::string(kColumn, ' ');
      at = kColumn;
    }
    if (at > kColumn) {
      out += ' ';
      ++at;
    }
    out += word;
    at += word.size();
  }
  return out + "\n";
}

}  // namespace

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  std::string name = option->get_name(is_positional, !is_positional);
  std::replace(name.begin(), name.end(), ',', ' ');
  // What checkers append to the type's name, the description says better.
  const std::string type = option->get_type_name();
  if (!is_positional && option->get_type_size() != 0) name += " " + type.substr(0, type.find(':'));
  return beside(name, option->get_description());
}

std::string HelpFormatter::make_subcommand(const CLI::App* verb) const {
  return beside(verb->get_name(), verb->get_description());
}

std::string HelpFormatter::make_usage(const CLI::App* app, std::string name) const {
  std::string out = "Usage: planish";
  if (app->get_parent() != nullptr) out += " " + name.substr(name.rfind(' ') + 1);
  for (const CLI::Option* option : app->get_options())
    if (option->get_positional()) out += " " + option->get_name(true);
  if (!app->get_subcommands([](const CLI::App*) { return true; }).empty()) out += " VERB";
  return out + " [OPTIONS]\n";
}

}  // namespace planish::cli
