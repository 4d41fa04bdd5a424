// SPDX-License-Identifier: Apache-2.0
// The rules for external data, on files.
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "support/onnx_builder.h"
#include "tensor/elements.h"

namespace planish::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class OnnxExternalData : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "planish_external_XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    root_ = name;
    fs::create_directories(root_ / "model" / "sub");
    fs::create_directories(root_ / "elsewhere");
    write(root_ / "model" / "w.bin", {1, 2, 3, 4});
    write(root_ / "model" / "sub" / "w.bin", {9, 8});
    write(root_ / "elsewhere" / "w.bin", {5, 6});
  }
  void TearDown() override { fs::remove_all(root_); }

  static void write(const fs::path& path, const std::vector<float>& values) {
    std::ofstream out(path, std::ios::binary);
    out.write(reinterpret_cast<const char*>(values.data()),
              static_cast<std::streamsize>(values.size() * 4));
  }
  fs::path save(const pb::TensorProto& tensor, const fs::path& name = "model/m.onnx") const {
    ModelBuilder m;
    m.constant(tensor).output("t");
    std::ofstream(root_ / name, std::ios::binary) << m.bytes();
    return root_ / name;
  }
  std::vector<double> load_from(const pb::TensorProto& tensor,
                                const onnx::ImportOptions& options = {}) const {
    const auto g = onnx::import_file(save(tensor), options);
    return load<double>(g->outputs()[0]->constant());
  }
  std::string refused(const pb::TensorProto& tensor,
                      ErrorCode code = ErrorCode::kInvalidModel) const {
    const Error e = error_of([&] { load_from(tensor); });
    EXPECT_EQ(e.code(), code) << e.what();
    return e.what();
  }

  fs::path root_;
};

TEST_F(OnnxExternalData, IsMappedBesideTheModel) {
  EXPECT_THAT(load_from(external_tensor("t", {4}, "w.bin")), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(load_from(external_tensor("t", {2}, "w.bin", "8", "8")), ElementsAre(3, 4));
  EXPECT_THAT(load_from(external_tensor("t", {2}, "./sub//w.bin")), ElementsAre(9, 8));
  // Misaligned bytes are copied.
  EXPECT_EQ(load_from(external_tensor("t", {1}, "w.bin", "2")).size(), 1u);
}

TEST_F(OnnxExternalData, OffsetsAndLengths) {
  EXPECT_THAT(refused(external_tensor("t", {4}, "w.bin", "4")),
              HasSubstr("lie outside of \"w.bin\", which has 16"));
  EXPECT_THAT(refused(external_tensor("t", {1}, "w.bin", "18446744073709551615")),
              HasSubstr("lie outside"));
  EXPECT_THAT(refused(external_tensor("t", {1}, "w.bin", "18446744073709551616")),
              HasSubstr("expected a number as offset"));
  EXPECT_THAT(refused(external_tensor("t", {1}, "w.bin", "-4")), HasSubstr("expected a number"));
  EXPECT_THAT(refused(external_tensor("t", {1}, "w.bin", "0", "5")), HasSubstr("got length 5"));
  EXPECT_THAT(refused(external_tensor("t", {1}, "w.bin", "0", "x")),
              HasSubstr("expected a number as length"));
  auto both = external_tensor("t", {1}, "w.bin");
  both.set_raw_data("1234");
  EXPECT_THAT(refused(both), HasSubstr("at once"));
}

TEST_F(OnnxExternalData, LocationsOutsideOfTheFolder) {
  EXPECT_THAT(refused(external_tensor("t", {2}, "../elsewhere/w.bin")),
              HasSubstr("leaves the model's folder"));
  EXPECT_THAT(refused(external_tensor("t", {2}, "sub/../w.bin")),
              HasSubstr("leaves the model's folder"));
  EXPECT_THAT(refused(external_tensor("t", {2}, (root_ / "elsewhere/w.bin").string())),
              HasSubstr("absolute"));
  EXPECT_THAT(refused(external_tensor("t", {2}, "")), HasSubstr("is empty"));
  EXPECT_THAT(refused(external_tensor("t", {2}, std::string("w.bin\0x", 7))),
              HasSubstr("zero byte"));
  EXPECT_THAT(refused(external_tensor("t", {2}, "gone.bin"), ErrorCode::kFileError),
              HasSubstr("gone.bin"));
  EXPECT_THAT(refused(external_tensor("t", {2}, "sub"), ErrorCode::kFileError), HasSubstr("sub"));
}

TEST_F(OnnxExternalData, LinksAreRefusedUnlessTheyStayInTheFolder) {
  fs::create_symlink(root_ / "elsewhere/w.bin", root_ / "model/out.bin");
  fs::create_symlink("w.bin", root_ / "model/in.bin");
  fs::create_directory_symlink(root_ / "elsewhere", root_ / "model/dir");
  fs::create_hard_link(root_ / "elsewhere/w.bin", root_ / "model/hard.bin");
  EXPECT_THAT(refused(external_tensor("t", {2}, "out.bin")), HasSubstr("symbolic link"));
  EXPECT_THAT(refused(external_tensor("t", {2}, "dir/w.bin"), ErrorCode::kFileError),
              HasSubstr("dir/w.bin"));
  EXPECT_THAT(refused(external_tensor("t", {2}, "hard.bin")), HasSubstr("hard link"));
  EXPECT_THAT(load_from(external_tensor("t", {4}, "in.bin")), ElementsAre(1, 2, 3, 4));
}

// As a cache of blobs does: the model and its data are links into one other folder.
TEST_F(OnnxExternalData, LinkedModelWithLinkedData) {
  save(external_tensor("t", {2}, "data.bin"), "elsewhere/blob1");
  fs::create_symlink("../elsewhere/blob1", root_ / "model/m.onnx");
  fs::create_symlink("../elsewhere/w.bin", root_ / "model/data.bin");
  const auto g = onnx::import_file((root_ / "model/m.onnx").string());
  EXPECT_THAT(load<double>(g->outputs()[0]->constant()), ElementsAre(5, 6));
}

TEST_F(OnnxExternalData, AFolderThatTheCallerTrusts) {
  fs::create_hard_link(root_ / "elsewhere/w.bin", root_ / "model/hard.bin");
  const onnx::ImportOptions elsewhere{.external_data_folder = (root_ / "elsewhere").string()};
  EXPECT_THAT(load_from(external_tensor("t", {2}, "w.bin"), elsewhere), ElementsAre(5, 6));
  EXPECT_THROW(load_from(external_tensor("t", {2}, "../model/w.bin"), elsewhere), Error);
  const onnx::ImportOptions own{.external_data_folder = (root_ / "model").string()};
  EXPECT_THAT(load_from(external_tensor("t", {2}, "hard.bin"), own), ElementsAre(5, 6));
}

TEST_F(OnnxExternalData, BytesHaveNoFolder) {
  ModelBuilder m;
  m.constant(external_tensor("t", {2}, "w.bin")).output("t");
  EXPECT_THAT(m.error().what(), HasSubstr("has no folder"));
  const auto g = m.import({.external_data_folder = (root_ / "elsewhere").string()});
  EXPECT_THAT(load<double>(g->outputs()[0]->constant()), ElementsAre(5, 6));
}

TEST_F(OnnxExternalData, FifosDoNotHang) {
  ASSERT_EQ(mkfifo((root_ / "model/fifo").c_str(), 0600), 0);
  EXPECT_THAT(refused(external_tensor("t", {2}, "fifo"), ErrorCode::kFileError), HasSubstr("fifo"));
  EXPECT_EQ(error_of([&] { onnx::import_file((root_ / "model/fifo").string()); }).code(),
            ErrorCode::kFileError);
  EXPECT_EQ(error_of([&] { onnx::import_file((root_ / "model").string()); }).code(),
            ErrorCode::kFileError);
  EXPECT_EQ(error_of([&] { onnx::import_file((root_ / "none.onnx").string()); }).code(),
            ErrorCode::kFileError);
}

// Every carrier obeys the same rule.
TEST_F(OnnxExternalData, ConstantsAndAttributesToo) {
  const auto bad = external_tensor("t", {2}, "../elsewhere/w.bin");
  ModelBuilder constant;
  constant.node("Constant", {}, {"t"}, {attr("value", bad)}).output("t");
  EXPECT_THAT(constant.error({.external_data_folder = (root_ / "model").string()}).what(),
              HasSubstr("leaves"));
  ModelBuilder sparse;
  auto* s = sparse.graph().add_sparse_initializer();
  *s->mutable_values() = bad;
  *s->mutable_indices() = int64_tensor("", {2}, {0, 1});
  s->add_dims(4);
  sparse.output("t");
  EXPECT_THAT(sparse.error({.external_data_folder = (root_ / "model").string()}).what(),
              HasSubstr("leaves"));
}

}  // namespace
}  // namespace planish::testing
