# A Nix expression for this repository: nix-build -E '(import <nixpkgs> { }).callPackage ./packaging/heimdall.nix { }'
{ lib, rustPlatform, installShellFiles }:

rustPlatform.buildRustPackage {
  pname = "heimdall-lock";
  version = (lib.importTOML ../Cargo.toml).package.version;
  src = lib.cleanSource ../.;
  cargoLock.lockFile = ../Cargo.lock;

  nativeBuildInputs = [ installShellFiles ];
  # The tests start PostgreSQL servers.
  doCheck = false;
  postInstall = ''
    cargo run --release --offline --example manual share
    installManPage share/man/man1/heimdall.1
    installShellCompletion --bash share/bash-completion/completions/heimdall
    installShellCompletion --zsh share/zsh/site-functions/_heimdall
    installShellCompletion --fish share/fish/vendor_completions.d/heimdall.fish
  '';

  meta = {
    description = "flock(1) for a fleet, on the PostgreSQL you already run";
    license = lib.licenses.asl20;
    mainProgram = "heimdall";
    platforms = lib.platforms.unix;
  };
}
