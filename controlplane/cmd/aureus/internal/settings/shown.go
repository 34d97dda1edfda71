package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gofrs/flock"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// maxShown limits how many approvals of one control plane are kept: those displayed last.
// maxServers limits the control planes.
const (
	maxShown   = 500
	maxServers = 10
)

// Shown keeps, in the user's folder for states, the digests of the approvals that the
// command has displayed in full. Commands that run at the same time share it.
type Shown struct {
	file   string
	server string
}

// displayed is one approval in the file.
type displayed struct {
	Digest aureus.Digest `json:"digest"`
	At     time.Time     `json:"at"`
}

// shownFile is the content of the file: by the address of the control plane and the id of
// the approval.
type shownFile map[string]map[string]displayed

// OpenShown returns the approvals of the control plane with that address that were
// displayed. It reads nothing yet.
func OpenShown(getenv func(string) string, server string) (*Shown, error) {
	folder := userFolder(getenv, "XDG_STATE_HOME", "LOCALAPPDATA", filepath.Join(".local", "state"))
	if !filepath.IsAbs(folder) {
		return nil, errors.New("there is no folder for what the command keeps: set HOME or XDG_STATE_HOME")
	}
	return &Shown{file: filepath.Join(folder, "aureus", "shown.json"), server: server}, nil
}

// Digest returns the digest with which the approval was displayed last; found is false if
// it never was, or too long ago.
func (s *Shown) Digest(id string) (digest aureus.Digest, found bool, err error) {
	content, err := s.read()
	if err != nil {
		return digest, false, err
	}
	d, found := content[s.server][id]
	return d.Digest, found, nil
}

// Keep adds approvals that were displayed.
func (s *Shown) Keep(digests map[string]aureus.Digest, now time.Time) (err error) {
	if len(digests) == 0 {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(s.file), 0o700); err != nil {
		return err
	}
	lock := flock.New(s.file + ".lock")
	if err := lock.Lock(); err != nil {
		return fmt.Errorf("%s cannot be locked: %w", s.file, err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	content, err := s.read()
	if err != nil {
		return err
	}
	of := content[s.server]
	if of == nil {
		of = map[string]displayed{}
	}
	for id, digest := range digests {
		of[id] = displayed{digest, now.UTC()}
	}
	for _, id := range oldest(of, func(d displayed) time.Time { return d.At }, maxShown) {
		delete(of, id)
	}
	content[s.server] = of
	last := func(of map[string]displayed) (at time.Time) {
		for _, d := range of {
			if d.At.After(at) {
				at = d.At
			}
		}
		return at
	}
	for _, server := range oldest(content, last, maxServers) {
		delete(content, server)
	}
	return s.write(content)
}

// oldest returns the keys of all but the newest of the map.
func oldest[V any](of map[string]V, at func(V) time.Time, keep int) []string {
	names := slices.SortedFunc(maps.Keys(of), func(a, b string) int { return at(of[b]).Compare(at(of[a])) })
	return names[min(len(names), keep):]
}

func (s *Shown) read() (shownFile, error) {
	text, err := readPrivate(s.file)
	if isMissing(err) {
		return shownFile{}, nil
	}
	if err != nil {
		return nil, err
	}
	var content shownFile
	if err := strictjson.Unmarshal(text, &content); err != nil {
		return nil, fmt.Errorf("%s is damaged: remove it, and have the approvals displayed again: %w", s.file, err)
	}
	if content == nil {
		content = shownFile{}
	}
	return content, nil
}

// write replaces the file, so that a reader sees the old content or the new one.
func (s *Shown) write(content shownFile) (err error) {
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(s.file), ".shown-*") // with mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(text)
	err = errors.Join(err, f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), s.file)
}
