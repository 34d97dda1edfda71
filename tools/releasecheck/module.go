package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// modulePrefix is the prefix of the path of every module of this repository.
const modulePrefix = "github.com/farmountain/aureus-go"

// goModule is a module of the workspace.
type goModule struct {
	path   string
	folder string // relative to the repository
	file   *modfile.File
}

// readModules returns the modules of go.work, and the version of the release:
// that of aureus.Version. It fails if users could not install one of the
// modules.
func readModules() (modules []goModule, version string, err error) {
	source, err := os.ReadFile(filepath.Join("aureus", "version.go"))
	if err != nil {
		return nil, "", fmt.Errorf("this is not the root of the repository: %w", err)
	}
	found := regexp.MustCompile(`(?m)^const Version = "(.+)"$`).FindSubmatch(source)
	if found == nil {
		return nil, "", errors.New("aureus/version.go has no const Version")
	}
	version = "v" + string(found[1])
	text, err := os.ReadFile("go.work")
	if err != nil {
		return nil, "", err
	}
	work, err := modfile.ParseWork("go.work", text, nil)
	if err != nil {
		return nil, "", err
	}
	for _, use := range work.Use {
		m := goModule{folder: filepath.Clean(use.Path)}
		name := filepath.Join(m.folder, "go.mod")
		text, err := os.ReadFile(name) //nolint:gosec // a folder that go.work names
		if err != nil {
			return nil, "", err
		}
		if m.file, err = modfile.Parse(name, text, nil); err != nil {
			return nil, "", err
		}
		m.path = m.file.Module.Mod.Path
		if err := installable(m.file, version); err != nil {
			return nil, "", fmt.Errorf("%s: %w", name, err)
		}
		modules = append(modules, m)
	}
	return modules, version, nil
}

// installable returns why users could not install the module of this go.mod, or
// nil.
func installable(file *modfile.File, version string) error {
	if len(file.Replace) > 0 || len(file.Exclude) > 0 {
		return errors.New("it has a replace or an exclude, which `go install` refuses; for development, use go.work instead")
	}
	for _, need := range file.Require {
		if isOurs(need.Mod.Path) && need.Mod.Version != version {
			return fmt.Errorf("it requires %s %s, but aureus.Version says that the release is %s", need.Mod.Path, need.Mod.Version, version)
		}
	}
	return nil
}

func isOurs(path string) bool {
	return path == modulePrefix || strings.HasPrefix(path, modulePrefix+"/")
}

// command runs a command in a folder and returns its standard output. The error
// contains all of its output.
func command(ctx context.Context, folder string, environment []string, name string, args ...string) (string, error) {
	run := exec.CommandContext(ctx, name, args...) //nolint:gosec // the go command, git, and what was just built
	var output, problems strings.Builder
	run.Dir, run.Env, run.Stdout, run.Stderr = folder, environment, &output, &problems
	if err := run.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, output.String(), problems.String())
	}
	return output.String(), nil
}

// packagesOf returns the packages of the module that users can name: commands
// and importable packages, without internal ones.
func (m goModule) packagesOf(ctx context.Context) (commands, libraries []string, err error) {
	text, err := command(ctx, m.folder, nil, "go", "list", "-f", "{{.Name}} {{.ImportPath}}", "./...")
	if err != nil {
		return nil, nil, err
	}
	for line := range strings.Lines(text) {
		name, path, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case name == "main":
			commands = append(commands, path)
		case !slices.Contains(strings.Split(path, "/"), "internal"):
			libraries = append(libraries, path)
		}
	}
	return commands, libraries, nil
}
