package main

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// user runs the go command as a user of a release would: in an empty folder, without a
// workspace, without cached modules of this repository, and with a proxy that serves
// the published modules.
type user struct {
	folder, proxy, version string
	environment            []string
	folders                int
}

func newUser(ctx context.Context, folder, version string) (*user, error) {
	text, err := command(ctx, ".", nil, "go", "env", "GOMODCACHE", "GOPROXY", "GOFLAGS")
	if err != nil {
		return nil, err
	}
	lines := append(strings.Split(text, "\n"), "", "", "")
	cache, proxies, flags := lines[0], lines[1], lines[2]
	u := &user{folder: folder, proxy: filepath.Join(folder, "proxy"), version: version}
	// The download cache of this machine also serves as a proxy. The user's own cache
	// is empty, so that it has no modules of an earlier run.
	sources := "file://" + filepath.ToSlash(u.proxy) + ",file://" + filepath.ToSlash(filepath.Join(cache, "cache", "download")) + "," + proxies
	u.environment = append(os.Environ(),
		"GOPROXY="+sources, "GONOSUMDB="+modulePrefix+","+modulePrefix+"/*", "GOPRIVATE=", "GONOPROXY=",
		"GOMODCACHE="+filepath.Join(folder, "cache"), "GOBIN="+filepath.Join(folder, "bin"),
		"GOWORK=off", "GOFLAGS="+strings.TrimSpace(flags+" -modcacherw -trimpath"), "CGO_ENABLED=0")
	return u, nil
}

// try installs the commands of the module and builds a program with its
// packages.
func (u *user) try(ctx context.Context, m goModule) error {
	commands, libraries, err := m.packagesOf(ctx)
	if err != nil {
		return err
	}
	for _, name := range commands {
		if err := u.install(ctx, name); err != nil {
			return err
		}
	}
	if len(libraries) > 0 {
		return u.build(ctx, m, libraries)
	}
	return nil
}

// install runs `go install NAME@VERSION` in an empty folder. The command aureus
// must also print that version.
func (u *user) install(ctx context.Context, name string) error {
	printf("go install %s@%s", name, u.version)
	folder, err := u.emptyFolder()
	if err != nil {
		return err
	}
	if _, err := command(ctx, folder, u.environment, "go", "install", name+"@"+u.version); err != nil {
		return err
	}
	if path.Base(name) != "aureus" {
		return nil
	}
	printed, err := command(ctx, folder, nil, filepath.Join(u.folder, "bin", "aureus"), "version")
	if err != nil {
		return err
	}
	if want := strings.TrimPrefix(u.version, "v"); !strings.Contains(printed, want) {
		return fmt.Errorf("aureus version prints %q instead of %s", printed, want)
	}
	return nil
}

// build runs `go get MODULE@VERSION` and `go build` in a new module with a
// program that imports each of the packages.
func (u *user) build(ctx context.Context, m goModule, libraries []string) error {
	printf("go get %s@%s", m.path, u.version)
	folder, err := u.emptyFolder()
	if err != nil {
		return err
	}
	if _, err := command(ctx, folder, u.environment, "go", "mod", "init", "user.example"); err != nil {
		return err
	}
	var program strings.Builder
	program.WriteString("package main\n\n")
	for _, name := range libraries {
		fmt.Fprintf(&program, "import _ %q\n", name)
	}
	program.WriteString("\nfunc main() {}\n")
	if err := os.WriteFile(filepath.Join(folder, "main.go"), []byte(program.String()), 0o600); err != nil {
		return err
	}
	for _, args := range [][]string{{"get", m.path + "@" + u.version}, {"mod", "tidy"}, {"build", "-o", os.DevNull, "."}} {
		if _, err := command(ctx, folder, u.environment, "go", args...); err != nil {
			return err
		}
	}
	return nil
}

func (u *user) emptyFolder() (string, error) {
	u.folders++
	folder := filepath.Join(u.folder, fmt.Sprintf("user%d", u.folders))
	return folder, os.Mkdir(folder, 0o750)
}
