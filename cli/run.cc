// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "common.h"

namespace planish::cli {
namespace {

struct RunFlags {
  std::string path, folder;
  std::vector<std::string> inputs, shapes;
  uint64_t seed = 0;
  bool json = false;
  OptionFlags options;
};

std::string file_name(std::string name) {
  for (char& c : name)
    if (c == '/' || c == '\\') c = '_';
  return name + ".npy";
}

int run_run(const RunFlags& flags) {
  const Engine engine = open_engine(flags.path, flags.options);
  const auto inputs = make_inputs(engine, flags.inputs, flags.shapes, flags.seed);
  Context context = engine.create_context();
  const auto outputs = context.run(inputs);
  if (!flags.folder.empty()) {
    std::error_code error;
    std::filesystem::create_directories(flags.folder, error);
    if (error)
      throw Error(ErrorCode::kFileError,
                  "cannot make the folder \"" + flags.folder + "\": " + error.message());
  }
  nlohmann::ordered_json out = nlohmann::ordered_json::object();
  for (const TensorInfo& info : engine.outputs()) {
    const Value& value = outputs.at(info.name);
    if (!value.is_tensor()) {
      std::printf("%-24s %s\n", info.name.c_str(),
                  value.is_sequence() ? "a sequence" : "no tensor");
      continue;
    }
    std::string path;
    if (!flags.folder.empty()) {
      path = (std::filesystem::path(flags.folder) / file_name(info.name)).string();
      write_npy(path, value);
    }
    if (flags.json)
      out[info.name] = {
          {"dtype", dtype_name(value.dtype())}, {"shape", value.dims()}, {"file", path}};
    else
      std::printf("%-24s %s %s %s\n", info.name.c_str(), dtype_name(value.dtype()),
                  dims_text(value.dims()).c_str(), path.c_str());
  }
  if (flags.json) std::printf("%s\n", out.dump(2).c_str());
  return 0;
}

}  // namespace

void add_run(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App* verb = app.add_subcommand("run", "run a plan or a model once");
  verb->add_option("path", flags->path, "a plan, or an ONNX model, which is built first")
      ->required();
  verb->add_option("--input", flags->inputs, "NAME=FILE.npy; inputs without a file are random")
      ->type_name("NAME=FILE");
  verb->add_option("--shape", flags->shapes, "NAME=1x3x224x224 for a random input")
      ->type_name("NAME=SHAPE");
  verb->add_option("--seed", flags->seed, "of random inputs");
  verb->add_option("--output-dir", flags->folder, "folder for the outputs, one .npy each");
  verb->add_flag("--json", flags->json, "print the result as JSON");
  flags->options.add(*verb, "any", true);
  verb->footer(
      "Examples:\n"
      "  planish run model.plan --input x=x.npy --output-dir out\n"
      "  planish run model.onnx --shape x=1x3x224x224");
  verb->callback([flags, &exit_code] { exit_code = run_run(*flags); });
}

}  // namespace planish::cli
