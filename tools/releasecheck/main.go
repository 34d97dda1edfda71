// Command releasecheck tests whether a release of this repository could be used. It
// publishes every module of the workspace, as it is in the working tree, to a module
// proxy in a temporary folder. Then, in empty folders outside the workspace, it
// installs every command and builds a program with every public package. It fails if
// the same steps would fail for a user: because of a replace in a go.mod, a version
// that does not exist, or a file that is not committed.
//
// Run it from the root of the repository with make release-check.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "release-check:", err)
		os.Exit(1) //nolint:gocritic // stop only restores the default signal handling
	}
}

func run(ctx context.Context) error {
	modules, version, err := readModules()
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "aureus-release")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	user, err := newUser(ctx, folder, version)
	if err != nil {
		return err
	}
	for _, m := range modules {
		if err := m.publish(ctx, user.proxy, version); err != nil {
			return fmt.Errorf("publishing %s: %w", m.path, err)
		}
	}
	for _, m := range modules {
		if err := user.try(ctx, m); err != nil {
			return err
		}
	}
	printf("release-check: all commands and packages of %d modules can be installed at %s", len(modules), version)
	return nil
}

func printf(format string, args ...any) {
	_, _ = fmt.Fprintf(os.Stdout, format+"\n", args...) // an error cannot be reported
}
