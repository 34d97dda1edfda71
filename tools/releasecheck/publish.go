package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// publish adds the module to the proxy: the files in its folder that git
// tracks, as they are in the working tree, without nested modules. The layout
// of the proxy's folder is described at
// https://go.dev/ref/mod#goproxy-protocol.
func (m goModule) publish(ctx context.Context, proxy, version string) error {
	files, err := m.files(ctx)
	if err != nil {
		return err
	}
	folder := filepath.Join(proxy, filepath.FromSlash(m.path), "@v")
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return err
	}
	archive, err := os.Create(filepath.Join(folder, version+".zip")) //nolint:gosec // in the folder made above
	if err != nil {
		return err
	}
	if err := zip.Create(archive, module.Version{Path: m.path, Version: version}, files); err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(m.folder, "go.mod"))
	if err != nil {
		return err
	}
	info := fmt.Sprintf("{%q:%q,%q:%q}\n", "Version", version, "Time", time.Now().UTC().Format(time.RFC3339))
	for name, content := range map[string]string{"list": version + "\n", version + ".info": info, version + ".mod": string(text)} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// file is a file of the working tree, and its path in the module.
type file struct{ path, name string }

func (f file) Path() string                 { return f.path }
func (f file) Lstat() (fs.FileInfo, error)  { return os.Lstat(f.name) }
func (f file) Open() (io.ReadCloser, error) { return os.Open(f.name) }

func (m goModule) files(ctx context.Context) (files []zip.File, err error) {
	text, err := command(ctx, m.folder, nil, "git", "ls-files", "-z")
	if err != nil {
		return nil, err
	}
	below := map[string]bool{}
	names := strings.Split(strings.TrimSuffix(text, "\x00"), "\x00")
	for _, name := range names {
		if dir, base := path.Split(name); base == "go.mod" && dir != "" {
			below[path.Clean(dir)] = true
		}
	}
	for _, name := range names {
		if !inside(name, below) {
			files = append(files, file{path: name, name: filepath.Join(m.folder, filepath.FromSlash(name))})
		}
	}
	return files, nil
}

// inside reports whether the file is inside one of the folders.
func inside(name string, folders map[string]bool) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if folders[dir] {
			return true
		}
	}
	return false
}
