// Program: how the chip computes a graph. The one thing that compiler and simulator share.
//
//   symbols    tensors in a memory tier, with offset and lifetime (static memory plan)
//   sections   configurations of the fabric: units joined by bounded channels (a cyclo-static dataflow graph)
//   schedule   launches of sections with their symbol bindings
//
// A program is SPMD over its sockets: each socket runs every section on its own shard of the symbols, and
// send/receive units exchange tokens. A token is a tile: a matrix with coordinates (row0, col0) of its first
// element in the tensor it was cut from. Units fire on whole tokens. What a unit does when it fires is a
// short list of primitive tile operations in SSA form; the simulator charges cycles from that list and, in
// functional mode, evaluates it.
//
// Text form: program_text.h. Nothing here knows an operator of a model.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/arch/fabric.h"
#include "base/dtype.h"
#include "base/ids.h"
#include "base/result.h"

namespace rdusim {

// ---------------------------------------------------------------------------------------------- primitives

enum class TileOpClass : uint8_t { kMac, kMap, kReduce, kTail, kCross, kLayout };

enum class TileOpKind : uint8_t {
#define RDU_TILE_OP(enumerator, name, operands, op_class, doc) enumerator,
#include "base/program/tile_op.def"
#undef RDU_TILE_OP
};

struct TileOpRecord {
  std::string_view name;
  int operands;
  TileOpClass op_class;
  std::string_view doc;
};
const TileOpRecord& tile_op_record(TileOpKind kind);
std::optional<TileOpKind> tile_op_from_name(std::string_view name);

// Registers 0 .. inputs-1 hold the token last taken from each input port; operation i writes register inputs
// + i.
using Register = uint16_t;

struct TileOp {
  TileOpKind kind = TileOpKind::kAdd;
  std::array<Register, 3> operands{};  // as many as the record says
  std::array<int64_t, 2> ints{};       // meaning in tile_op.def
  float scalar = 0;

  // kMatmul only. B is [n,k] if transposed (weights and keys as stored), else [k,n]. Row i of A uses the
  // column group g = (i mod row_cycle) / rows_per_group of B: for attention row_cycle = heads, rows_per_group
  // = query heads per key/value head, so one op serves MHA, GQA and MQA. row_cycle = rows_per_group = 1 is
  // the plain product. transposed:     C[i,j] = sum_k A[i,k] * B[j, g*K + k],  K = cols(A) not transposed:
  // C[i,j] = sum_k A[i,k] * B[k, g*N + j],  N = cols(B) / groups
  bool matmul_transposed = false;
  int64_t matmul_row_cycle = 1;
  int64_t matmul_rows_per_group = 1;

  friend bool operator==(const TileOp&, const TileOp&) = default;
};

// ---------------------------------------------------------------------------------------------- fabric

// A port moves one token at each firing f of its unit with begin <= f mod period < end.
// {1,0,1}: every firing. {n,0,1}: the first of n, and the token is held for the others. {n,n-1,n}: the last
// of n.
struct Phases {
  int64_t period = 1;
  int64_t begin = 0;
  int64_t end = 1;
  [[nodiscard]] bool active(int64_t firing) const {
    const int64_t p = firing % period;
    return p >= begin && p < end;
  }
  friend bool operator==(const Phases&, const Phases&) = default;
};

// kCompose: tokens [2n, m] are maps s -> p s + q of a state [n, m], p above q; the newer is applied after the
// older.
enum class Accumulate : uint8_t { kNone, kSum, kConcatRows, kConcatCols, kCompose };

struct InputPort {
  ChannelId channel;
  Phases phases;
  friend bool operator==(const InputPort&, const InputPort&) = default;
};

// Emits register `source`, or what accumulated of it since the last reset, to every channel of the port
// (fan-out is a multicast: one token on the wire per channel). The accumulator is cleared before firings f
// with f mod reset_period
// == 0. keep_rows > 0 keeps only the last keep_rows rows of a concat_rows accumulator (a ring buffer).
struct OutputPort {
  std::vector<ChannelId> channels;
  Phases phases;
  Register source = 0;
  Accumulate accumulate = Accumulate::kNone;
  int64_t reset_period = 1;
  int64_t keep_rows = 0;
  friend bool operator==(const OutputPort&, const OutputPort&) = default;
};

enum class UnitKind : uint8_t {
  kGemm,     // PCUs as systolic array (a matmul and its epilogue)
  kSimd,     // PCUs as vector pipeline
  kBuffer,   // PMUs: concatenation, hold, ring
  kLoad,     // AGCU stream from a symbol to a channel
  kStore,    // AGCU stream from a channel to a symbol
  kSend,     // AGCU peer-to-peer stream to the other sockets
  kReceive,  // AGCU peer-to-peer stream from the other sockets
};
std::string_view unit_kind_name(UnitKind kind);

// Why bytes move; byte accounting is kept by cause.
enum class Cause : uint8_t {
  kWeights,
  kKvCache,
  kState,
  kActivations,
  kConstants,
  kCollective,
  kExpertSwitch
};
inline constexpr size_t kCauseCount = 7;
std::string_view cause_name(Cause cause);

// What a load or store unit touches: `segments` row ranges of `rows` rows, the i-th starting at row
// begin + i * stride, cut into tokens of at most rows_per_token rows (a token never spans two segments); the
// whole `repeats` times. ring > 0: row r of a segment lies at r mod ring after the segment's first row, which
// is then at i * stride (a cache that keeps the last `ring` rows); coordinates of tiles count on without it.
// Columns [col_begin, col_begin + cols) of the symbol. A load with an input port is a
// gather: each input token [m,1] of row numbers gives one token [m, cols] (segments and rows_per_token are
// unused).
struct MemoryStream {
  ArgumentId argument;
  int64_t begin = 0;
  int64_t rows = 0;
  int64_t segments = 1;
  int64_t stride = 0;
  int64_t rows_per_token = 1;
  int64_t col_begin = 0;
  int64_t cols = 0;
  int64_t repeats = 1;
  int64_t ring = 0;
  bool gather = false;
  int priority = 0;  // lower goes first when streams compete for a memory channel; ties by unit name
  friend bool operator==(const MemoryStream&, const MemoryStream&) = default;

  [[nodiscard]] int64_t tokens_per_segment() const { return (rows + rows_per_token - 1) / rows_per_token; }
  [[nodiscard]] int64_t tokens() const { return repeats * segments * tokens_per_segment(); }
  // Row of the symbol at which row `row`, counted without the ring, of segment `segment` lies.
  [[nodiscard]] int64_t symbol_row(int64_t segment, int64_t row) const {
    return ring > 0 ? segment * stride + (row - segment * stride) % ring : row;
  }
};

// A send unit takes one token and posts a message to each other socket: kScatterCols sends socket p the p-th
// of `sockets` column chunks (chunk width ceil(cols / sockets), the last ones smaller or empty), kBroadcast
// the whole token. Its own chunk (or token) leaves by its output port 0. The receive unit of the same
// exchange takes that own token from its input port 0 and one message from every other socket, and combines
// them in socket order: kSum or kConcatCols. Order by socket makes every socket compute the same bits.
enum class ExchangeMode : uint8_t { kScatterCols, kBroadcast };
enum class Combine : uint8_t { kSum, kConcatCols };

struct Exchange {
  uint32_t id = 0;  // pairs send and receive; unique in the section
  ExchangeMode mode = ExchangeMode::kBroadcast;
  Combine combine = Combine::kConcatCols;
  friend bool operator==(const Exchange&, const Exchange&) = default;
};

// Way of one part of every token over the mesh: a tree of straight runs along a row or a column. points[0] is
// the source's switch; each later point hangs on an earlier one, `parent`, of the same row or column. A point
// that `delivers` is a destination: the unit or AGCU at its switch takes a copy; every leaf is one. A chain
// is a plain route, a branching tree a multicast.
struct Waypoint {
  TileId tile;
  uint32_t parent = 0;
  bool delivers = false;
  friend bool operator==(const Waypoint&, const Waypoint&) = default;
};
struct Route {
  std::vector<Waypoint> points;
  friend bool operator==(const Route&, const Route&) = default;
};

struct Unit {
  std::string name;  // "layer.wo.gemm": unique in the section
  UnitKind kind = UnitKind::kSimd;
  std::string stage;  // operator the unit was made from; for reports only
  std::vector<InputPort> inputs;
  std::vector<OutputPort> outputs;
  std::vector<TileOp> body;
  int64_t firings = 1;                 // per launch
  int64_t pcus = 0;                    // physical units that work in lock step on this stage
  int64_t pmus = 0;                    // of a buffer; those of channels are in Channel
  std::vector<TileId> tiles{};         // of its PCUs or PMUs; empty: not placed
  std::vector<int64_t> agcus{};        // ports that a load, store, send or receive unit uses; may be shared
  std::optional<MemoryStream> stream;  // load, store
  std::optional<Exchange> exchange;    // send, receive
  friend bool operator==(const Unit&, const Unit&) = default;
};

// Point-to-point stream of tokens. `rows` x `cols` is the largest token. Capacity is in tokens: a producer
// blocks when the channel is full. Tokens become visible latency_cycles after they were written (route and
// PMU).
struct Channel {
  std::string name;
  DType dtype = DType::kBf16;  // of the values on the wire; kBf16 tokens were rounded by their producer
  int64_t rows = 1;
  int64_t cols = 1;
  int64_t capacity_tokens = 2;
  int64_t latency_cycles = 0;
  int64_t pmus = 0;
  // RDN vector links side by side that carry the tokens, one after the other; 0: the tokens do not cross the
  // RDN.
  int64_t links = 0;
  // Of the links' rate, what the flows that cross the same links of the mesh leave to this channel.
  int64_t share_permille = 1000;
  // Of what the ports of the PMUs that hold its tokens give, what their way to a gemm or simd unit lets
  // through (operand_reads.h).
  int64_t read_permille = 1000;
  std::vector<TileId> tiles{};  // of its PMUs; empty: not placed
  // Ways of its tokens, empty: not routed. legs[0]: from the producer to the channel's PMUs, or straight to
  // the consumer when it has none; legs[1]: from the PMUs to the consumer. Each route of a leg carries an
  // equal part of every token (two deliveries of one route: the same part, twice).
  std::array<std::vector<Route>, 2> legs{};
  friend bool operator==(const Channel&, const Channel&) = default;

  // Bytes a cycle that its links take.
  [[nodiscard]] int64_t bytes_per_cycle(int64_t link_bytes_per_cycle) const {
    const int64_t all = links * link_bytes_per_cycle;
    return links == 0 || share_permille == 1000 ? all : std::max<int64_t>(1, all * share_permille / 1000);
  }

  [[nodiscard]] int64_t token_bytes() const { return rows * cols * dtype_bytes(dtype); }
};

// Formal symbol of a section; launches bind it.
struct Argument {
  std::string name;
  Cause cause = Cause::kActivations;
  friend bool operator==(const Argument&, const Argument&) = default;
};

struct Section {
  std::string name;
  std::vector<Argument> arguments;
  std::vector<Unit> units;
  std::vector<Channel> channels;
  friend bool operator==(const Section&, const Section&) = default;
};

// ---------------------------------------------------------------------------------------------- memory

enum class Tier : uint8_t { kSram, kHbm, kDdr };
inline constexpr size_t kTierCount = 3;
std::string_view tier_name(Tier tier);

enum class SymbolRole : uint8_t { kWeight, kActivation, kKvCache, kState, kConstant, kInput, kOutput };
std::string_view symbol_role_name(SymbolRole role);

// How a socket's part is cut from the whole tensor named `source`.
//   kReplicated: all of it.
//   kRows / kCols: shard `s` of ceil(n/shards) rows or columns, the last ones smaller. With shards < sockets,
//   socket t holds shard t * shards / sockets (key/value heads shared by several sockets). The unit of
//   division is `granule` rows or columns.
//   kExpertRows / kExpertCols: the tensor is `granule` matrices (the experts of a mixture) interleaved by
//   row: row i * granule + e is row i of matrix e. Shard `s` is granule / shards of them, whole and
//   interleaved in the same way. With shards < sockets, socket t holds shard t * shards / sockets, and the
//   sockets of a shard cut each of its matrices once more, into equal runs of rows (kExpertRows) or of
//   columns (kExpertCols).
enum class ShardKind : uint8_t { kReplicated, kRows, kCols, kExpertRows, kExpertCols };
struct Shard {
  ShardKind kind = ShardKind::kReplicated;
  int64_t shards = 1;
  int64_t granule = 1;
  friend bool operator==(const Shard&, const Shard&) = default;
};
struct ShardRange {
  int64_t begin = 0;
  int64_t size = 0;
};
// Part of `extent` rows or columns, whichever are cut, that socket `socket` of `sockets` holds. Not of
// experts.
ShardRange shard_range(const Shard& shard, int64_t extent, int64_t socket, int64_t sockets);

// A socket's part of a tensor: `rows` x `cols`, and where they lie in the whole: runs of `run` rows that
// begin `period` rows apart, columns from `col_begin` on.
struct ShardPart {
  int64_t rows = 0;
  int64_t cols = 0;
  int64_t row_begin = 0;
  int64_t run = 1;
  int64_t period = 1;
  int64_t col_begin = 0;
  [[nodiscard]] int64_t whole_row(int64_t row) const { return row_begin + row / run * period + row % run; }
};
ShardPart shard_part(const Shard& shard, int64_t full_rows, int64_t full_cols, int64_t socket,
                     int64_t sockets);
// Whether the tensor can be cut so: of experts only what divides evenly; rows and columns always.
bool shard_divides(const Shard& shard, int64_t full_rows, int64_t full_cols, int64_t sockets);

struct Symbol {
  std::string name;
  SymbolRole role = SymbolRole::kActivation;
  std::string
      source;  // tensor that fills it (weights, constants, inputs), or that a reader asks for (outputs, KV)
  DType dtype = DType::kBf16;
  int64_t rows = 0;  // on socket 0, which holds the largest shard; other sockets may use fewer
  int64_t cols = 0;
  Shard shard;
  int64_t full_rows = 0;  // of the unsharded tensor
  int64_t full_cols = 0;
  Tier tier = Tier::kHbm;
  int64_t offset_bytes = 0;  // within the program's region of that tier; the same on every socket
  int64_t first_step = 0;    // lifetime, inclusive; [0, last step] for what must persist
  int64_t last_step = 0;
  friend bool operator==(const Symbol&, const Symbol&) = default;

  [[nodiscard]] int64_t bytes() const { return rows * cols * dtype_bytes(dtype); }
};

// ---------------------------------------------------------------------------------------------- schedule

enum class Orchestration : uint8_t {
  kSoftware,
  kHardware
};  // who launches: the host, or the AGCUs' static schedule

// A launch may loop: the fabric keeps its configuration and runs the section once for each row of bindings,
// in order. Each run drains before the next, or, if the launch prefetches, streams that depend on nothing of
// the runs before go on into the next run's symbols meanwhile (loop_order.h). One run is a step of the
// program; steps are what lifetimes count.
// Streams of a launch that prefetches, looping or not, that depend on nothing of the launches before begin
// while the launch is still under way (run_ahead.h).
struct Launch {
  SectionId section;
  std::vector<SymbolId> bindings;  // iterations x arguments of the section, row by row
  int64_t iterations = 1;
  bool prefetch = false;
  // Bindings of one iteration.
  [[nodiscard]] std::span<const SymbolId> row(int64_t iteration) const {
    const size_t arguments = bindings.size() / static_cast<size_t>(iterations);
    return std::span(bindings).subspan(static_cast<size_t>(iteration) * arguments, arguments);
  }
  friend bool operator==(const Launch&, const Launch&) = default;
};

struct TierUse {
  int64_t bytes = 0;  // high-water mark of the region on one socket
  friend bool operator==(const TierUse&, const TierUse&) = default;
};

struct Program {
  std::string name;   // "llama-2-7b.decode.b1.t4096.tp8.layer"
  std::string phase;  // "prefill", "decode", "embed", "route"
  int64_t sockets = 1;
  int64_t batch = 1;
  int64_t context = 0;
  int64_t tokens_per_run = 1;  // tokens that one run processes (batch x prompt) or produces (decode: batch)
  int64_t flops = 0;           // of the graph, all sockets; one multiply-accumulate is two
  Orchestration orchestration = Orchestration::kHardware;
  MeshShape mesh;  // that units were placed on; 0 rows: no section is placed
  std::vector<Symbol> symbols;
  std::vector<Section> sections;
  std::vector<Launch> launches;
  std::array<TierUse, kTierCount> tiers{};
  friend bool operator==(const Program&, const Program&) = default;
};

// Steps of the program: runs of sections, those of looping launches one by one.
int64_t program_steps(const Program& program);

// Structural rules every program obeys (ids in range, ports match channels one to one, token counts balance
// on every channel, registers defined before use, symbols inside their tier and disjoint while alive, PCU and
// PMU budgets; of what is placed: each tile is of the right kind and used once in a section; of what is
// routed: each route is a tree between its end points, and each end point has one). `pcus` and `pmus` are
// those of one socket.
Status verify_program(const Program& program, int64_t pcus, int64_t pmus);

}  // namespace rdusim
