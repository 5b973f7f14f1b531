// Files: whole-file reads with a size bound, gzip inflation, atomic replacement, SHA-256 and a stable 64-bit
// hash.
#include "base/io/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

namespace rdusim {
namespace {

constexpr size_t kChunk = size_t{1} << 18;

Error io_error(const std::string& path, std::string_view action, int number) {
  const ErrorCode code = number == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
  const bool no_folder = number == ENOENT && action == "write";
  return Error{code, path, fmt::format("cannot {}: {}", action, std::strerror(number)),
               no_folder ? "the folder does not exist; make it first" : ""};
}

Error too_large(const std::string& path, int64_t max_bytes) {
  return Error{ErrorCode::kCapacity, path, fmt::format("larger than the {} bytes allowed here", max_bytes),
               ""};
}

// A POSIX file descriptor, closed at the end of its scope.
class FileDescriptor {
 public:
  FileDescriptor(const std::string& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] int close() { return ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

// Bytes is std::string or std::vector<uint8_t>.
template <typename Bytes>
Result<Bytes> read_whole(const std::string& path, int64_t max_bytes) {
  const FileDescriptor file(path, O_RDONLY);
  if (file.get() < 0) return io_error(path, "open", errno);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return io_error(path, "read", errno);
  if (S_ISDIR(info.st_mode)) return io_error(path, "read", EISDIR);
  if (S_ISREG(info.st_mode) && info.st_size > max_bytes) return too_large(path, max_bytes);
  Bytes bytes;
  size_t filled = 0;
  while (true) {
    // One byte more than the known size shows the end without a second growth.
    const size_t known = S_ISREG(info.st_mode) ? static_cast<size_t>(info.st_size) + 1 : 0;
    bytes.resize(std::max(known, filled + kChunk));
    const ssize_t got = ::read(file.get(), bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error(path, "read", errno);
    if (got == 0) break;
    filled += static_cast<size_t>(got);
    if (static_cast<int64_t>(filled) > max_bytes) return too_large(path, max_bytes);
  }
  bytes.resize(filled);
  return bytes;
}

Status write_all(int fd, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return io_error(path, "write", errno);
    content.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

struct DigestFree {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

}  // namespace

Result<std::string> inflate_gzip(std::string_view packed, const std::string& name, int64_t max_bytes) {
  const Error corrupt{ErrorCode::kInvalidInput, name, "truncated or corrupt gzip data",
                      "fetch or pack the file again"};
  z_stream stream{};
  constexpr int kGzipOnly = 16 + MAX_WBITS;
  if (inflateInit2(&stream, kGzipOnly) != Z_OK) return Error{ErrorCode::kIo, name, "zlib does not start", ""};
  const std::unique_ptr<z_stream, int (*)(z_stream*)> cleanup(&stream, inflateEnd);
  std::string out;
  std::string chunk(kChunk, '\0');
  size_t given = 0;
  bool member_open = true;  // a gzip file is one or more members; it must not end inside one
  while (true) {
    if (stream.avail_in == 0 && given < packed.size()) {
      const size_t n = std::min(packed.size() - given, kChunk);
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data() + given));
      stream.avail_in = static_cast<uInt>(n);
      given += n;
    }
    if (stream.avail_in == 0 && !member_open) return out;
    if (!member_open && inflateReset(&stream) != Z_OK) return corrupt;
    stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
    stream.avail_out = static_cast<uInt>(chunk.size());
    const int code = inflate(&stream, Z_NO_FLUSH);
    if (code != Z_OK && code != Z_STREAM_END) return corrupt;  // Z_BUF_ERROR: the input ended too early
    out.append(chunk, 0, chunk.size() - stream.avail_out);
    if (static_cast<int64_t>(out.size()) > max_bytes) return too_large(name, max_bytes);
    member_open = code != Z_STREAM_END;
  }
}

Result<std::string> read_text_file(const std::string& path, int64_t max_bytes) {
  RDU_ASSIGN(std::string content, read_whole<std::string>(path, max_bytes));
  if (!std::string_view(path).ends_with(".gz")) return content;
  return inflate_gzip(content, path, max_bytes);
}

Result<std::vector<uint8_t>> read_binary_file(const std::string& path, int64_t max_bytes) {
  return read_whole<std::vector<uint8_t>>(path, max_bytes);
}

Status write_file_atomically(const std::string& path, std::string_view content) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  // Through a link, to the file it names; devices and pipes (/dev/stdout) are written, never replaced.
  const fs::path resolved = fs::canonical(path, ignored);
  const std::string target = resolved.empty() ? path : resolved.string();
  const fs::file_status status = fs::status(target, ignored);
  if (fs::is_directory(status)) return io_error(path, "write", EISDIR);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    const FileDescriptor device(target, O_WRONLY);
    if (device.get() < 0) return io_error(path, "write", errno);
    return write_all(device.get(), content, path);
  }
  const std::string temporary = fmt::format("{}.{}.tmp", target, ::getpid());
  FileDescriptor file(temporary, O_WRONLY | O_CREAT | O_TRUNC);
  if (file.get() < 0) return io_error(path, "write", errno);
  Status written = write_all(file.get(), content, path);
  if (written.ok() && file.close() != 0) written = io_error(path, "write", errno);
  if (written.ok() && ::rename(temporary.c_str(), target.c_str()) != 0)
    written = io_error(path, "write", errno);
  if (!written.ok()) ::unlink(temporary.c_str());
  return written;
}

std::string sha256_hex(std::string_view content) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  const std::unique_ptr<EVP_MD_CTX, DigestFree> context(EVP_MD_CTX_new());
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  EVP_DigestUpdate(context.get(), content.data(), content.size());
  EVP_DigestFinal_ex(context.get(), digest.data(), &length);
  std::string hex;
  for (unsigned int i = 0; i < length; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

Result<std::string> sha256_hex_of_file(const std::string& path) {
  RDU_ASSIGN(const std::string content, read_whole<std::string>(path, int64_t{1} << 40));
  return sha256_hex(content);
}

uint64_t hash64(std::string_view content, uint64_t seed) {
  uint64_t hash = 0xCBF29CE484222325ULL ^ seed;  // FNV-1a offset basis and prime
  for (const char c : content) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
  // FNV's high bits mix poorly: finish with the SplitMix64 finaliser.
  hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9ULL;
  hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EBULL;
  return hash ^ (hash >> 31);
}

}  // namespace rdusim
