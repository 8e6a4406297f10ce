# A Homebrew formula; whoever publishes a release sets homepage, url and sha256.
class Heimdall < Formula
  desc "Run a program while it holds a PostgreSQL advisory lock"
  homepage "https://example.org/heimdall"
  url "https://example.org/heimdall/heimdall-0.1.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license "Apache-2.0"

  depends_on "rust" => :build

  def install
    system "cargo", "install", *std_cargo_args
    system "cargo", "run", "--locked", "--example", "manual", "share"
    man1.install "share/man/man1/heimdall.1"
    bash_completion.install "share/bash-completion/completions/heimdall"
    zsh_completion.install "share/zsh/site-functions/_heimdall"
    fish_completion.install "share/fish/vendor_completions.d/heimdall.fish"
  end

  test do
    assert_equal "heimdall #{version}", shell_output("#{bin}/heimdall --version").strip
  end
end
