// YAML reader: builds a Document from yaml-cpp's event stream. The event level is used because the Node level
// drops duplicate keys silently and shares alias targets, which hides both faults. Depth is bounded while
// parsing; every alias is expanded to a copy that is charged against max_nodes, so an alias bomb stops early.
// Left out on purpose, each with an error of its own: merge keys (<<), several documents in a file, keys that
// are not scalars.
#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>
#include <unordered_set>

#include "base/io/document.h"
#include "base/io/document_scalars.h"

namespace rdusim {
namespace {

using Kind = DocumentNode::Kind;

struct Extent {
  int64_t nodes = 1;
  int depth = 0;  // lists and maps one inside the other
};

Extent extent_of(const DocumentNode& node) {
  Extent total;
  if (node.kind == Kind::kList || node.kind == Kind::kMap) total.depth = 1;
  const auto add = [&](const DocumentNode& below) {
    const Extent e = extent_of(below);
    total.nodes += e.nodes;
    total.depth = std::max(total.depth, e.depth + 1);
  };
  for (const auto& item : node.items) add(item);
  for (const auto& [key, member] : node.members) add(member);
  return total;
}

// Carries an Error out through yaml-cpp's parser; never leaves this file.
struct Rejected {
  Error error;
};

class Builder : public YAML::EventHandler {
 public:
  Builder(std::string file_name, const DocumentLimits& limits)
      : file_name_(std::move(file_name)), limits_(limits) {}

  [[nodiscard]] std::string where(const YAML::Mark& mark) const {
    return fmt::format("{}:{}:{}", file_name_, std::max(mark.line, 0) + 1, std::max(mark.column, 0) + 1);
  }
  std::optional<DocumentNode> take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (root_) reject(mark, "a second document starts here", "keep one document in a file");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    finish(node_at(mark, Kind::kNull), mark, anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) reject(mark, "an alias lies inside the value that it names", "");
    if (static_cast<int>(open_.size()) + found->second.extent.depth > limits_.max_depth) too_deep(mark);
    charge(mark, found->second.extent.nodes);
    finish(found->second.node, mark, 0);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    // yaml-cpp tags plain scalars "?" and quoted ones "!".
    DocumentNode node = node_at(mark, tag == "?" || tag.empty() ? plain_scalar_kind(value) : Kind::kString);
    node.text = value;
    finish(std::move(node), mark, anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, Kind::kList, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, Kind::kMap, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    DocumentNode node;
    YAML::Mark mark;
    YAML::anchor_t anchor = 0;
    std::optional<std::string> key;        // of a map: read, its value not yet
    std::unordered_set<std::string> keys;  // of a map: membership only
  };
  struct Anchored {
    DocumentNode node;
    Extent extent;
  };

  [[noreturn]] void reject(const YAML::Mark& mark, std::string what, std::string hint) const {
    throw Rejected{Error{ErrorCode::kInvalidInput, where(mark), std::move(what), std::move(hint)}};
  }
  [[noreturn]] void too_deep(const YAML::Mark& mark) const {
    reject(mark, fmt::format("nested deeper than {} levels", limits_.max_depth), "");
  }
  void charge(const YAML::Mark& mark, int64_t nodes) {
    nodes_ += nodes;
    if (nodes_ > limits_.max_nodes) {
      reject(mark, fmt::format("more than {} values after alias expansion", limits_.max_nodes),
             "write out what the aliases stand for, or use fewer of them");
    }
  }
  DocumentNode node_at(const YAML::Mark& mark, Kind kind) {
    charge(mark, 1);
    DocumentNode node;
    node.kind = kind;
    node.where = where(mark);
    return node;
  }
  void open(const YAML::Mark& mark, Kind kind, YAML::anchor_t anchor) {
    if (static_cast<int>(open_.size()) >= limits_.max_depth) too_deep(mark);
    if (expects_key()) reject(mark, "a map key must be a single value", "");
    open_.push_back(Open{node_at(mark, kind), mark, anchor, {}, {}});
  }
  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    finish(std::move(done.node), done.mark, done.anchor);
  }
  [[nodiscard]] bool expects_key() const {
    return !open_.empty() && open_.back().node.kind == Kind::kMap && !open_.back().key;
  }
  // A complete node: root, map key, map value or list item.
  void finish(DocumentNode node, const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != 0) {
      const Extent extent = extent_of(node);
      charge(mark, extent.nodes);  // the copy that is kept
      anchors_[anchor] = Anchored{node, extent};
    }
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == Kind::kList) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.key) {
      parent.key = checked_key(parent, node, mark);
    } else {
      parent.node.members.emplace_back(std::move(*parent.key), std::move(node));
      parent.key.reset();
    }
  }
  [[nodiscard]] std::string checked_key(Open& parent, const DocumentNode& node,
                                        const YAML::Mark& mark) const {
    const bool scalar = node.kind != Kind::kNull && node.kind != Kind::kList && node.kind != Kind::kMap;
    if (!scalar) reject(mark, "a map key must be a single value", "");
    if (node.text == "<<") reject(mark, "merge keys (<<) are not supported", "write the keys out");
    if (!parent.keys.insert(node.text).second) {
      reject(mark, fmt::format("duplicate key {}", backquoted(node.text)), "remove one of the two");
    }
    return node.text;
  }

  std::string file_name_;
  DocumentLimits limits_;
  std::optional<DocumentNode> root_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Anchored> anchors_;
  int64_t nodes_ = 0;
};

}  // namespace

Result<DocumentNode> read_yaml_text(std::string_view text, const std::string& file_name,
                                    const DocumentLimits& limits) {
  if (static_cast<int64_t>(text.size()) > limits.max_bytes) {
    return Error{ErrorCode::kCapacity, file_name, fmt::format("more than {} bytes", limits.max_bytes), ""};
  }
  Builder builder(file_name, limits);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (Rejected& rejected) {
    return std::move(rejected.error);
  } catch (const YAML::Exception& exception) {
    return Error{ErrorCode::kInvalidInput, builder.where(exception.mark), "not YAML: " + exception.msg, ""};
  }
  if (std::optional<DocumentNode> root = builder.take_root()) return std::move(*root);
  DocumentNode empty;
  empty.where = file_name + ":1:1";
  return empty;
}

}  // namespace rdusim
