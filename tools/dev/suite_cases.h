// SPDX-License-Identifier: Apache-2.0
// ONNX backend test folders: where the cases are, variations of their models, and those that may
// fail.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "import/onnx/importer.h"
#include "tensor/tensor.h"

namespace planish::dev {

struct SuiteCase {
  std::string name;
  std::filesystem::path model;
  std::filesystem::path folder;    // holds test_data_set_N; empty: inputs are made up
  std::filesystem::path expected;  // output_0.pb, where inputs are made up
};

// The cases of the folders whose names match the pattern, by name.
std::vector<SuiteCase> find_suite_cases(const std::vector<std::string>& folders,
                                        const std::string& filter);

// The data of files stem_0.pb, stem_1.pb, ...
std::vector<Datum> read_data(const std::filesystem::path& folder, const char* stem,
                             const std::vector<std::pair<std::string, Type>>& values);

// What ONNX's own runner feeds the models that come without inputs: 0, 1, 2, ... divided by their
// number.
std::vector<Datum> made_up_inputs(const onnx::Signature& signature);

std::string file_text(const std::filesystem::path& path);

// The bytes of a model file, all tensors but the first input being initialisers with the contents
// that `data_set` has for them. `dropped` gets the places of the inputs that are gone.
std::string constified(const SuiteCase& c, const std::filesystem::path& data_set,
                       std::vector<size_t>& dropped);
// The bytes of a model file, each dim of each input being a symbol and nothing said of other
// values.
std::string dynamised(const SuiteCase& c);

// The inputs with twice the length along axis 0, wherever that is the first input's; empty if that
// cannot be.
std::vector<Datum> doubled(const std::vector<Datum>& inputs);

// Why the case need not pass, where `data` is the version of ONNX that the data are of; null: it
// must.
const char* find_waiver(const std::string& name, const std::string& data);

}  // namespace planish::dev
