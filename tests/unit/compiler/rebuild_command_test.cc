// SPDX-License-Identifier: Apache-2.0
#include "compiler/rebuild_command.h"

#include <gtest/gtest.h>

namespace planish {
namespace {

constexpr const char* kPlain = "planish build MODEL.onnx -o MODEL.plan";

TEST(RebuildCommand, SaysOnlyWhatIsUnusual) { EXPECT_EQ(rebuild_command({}), kPlain); }

TEST(RebuildCommand, NamesShapesAndOptionsButNoPlaces) {
  BuildRequest request;
  request.options.level = 1;
  request.options.isa = "avx2";
  request.options.embed_graph = true;
  request.options.keep = "fp32:a b";
  request.options.timing_cache = "/home/someone/cache";
  request.options.build_seconds = 7;
  request.options.max_loop_iterations = 5;
  request.profiles = {{{"x", {{1, 3}, {2, 3}, {8, 3}}}, {"it's", {{4}, {4}, {4}}}, {"s", {}}}};
  EXPECT_EQ(rebuild_command(request),
            std::string(kPlain) +
                " --shapes 'it'\\''s=4' --shapes s= --shapes x=1x3:2x3:8x3"
                " --keep 'fp32:a b' --level 1 --isa avx2 --embed-graph");
}

TEST(RebuildCommand, TellsOfProfilesThatTheCommandLineCannotSay) {
  BuildRequest request;
  request.profiles = {{{"x", {{1}, {1}, {1}}}}, {{"x", {{2}, {2}, {2}}}}};
  EXPECT_EQ(rebuild_command(request),
            std::string(kPlain) + " --shapes x=1 # the first of 2 profiles; Python takes them all");
}

TEST(RebuildCommand, StaysInsideThePlansLimit) {
  BuildRequest request;
  request.options.keep = std::string(1 << 20, 'k');
  EXPECT_EQ(rebuild_command(request), kPlain);
}

}  // namespace
}  // namespace planish
