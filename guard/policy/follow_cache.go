package policy

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// The cache file is one line with the SHA-256 of the rest, in hex, and then a JSON object.
// The checksum detects a damaged file. It does not protect against somebody who may write
// the file; a signature does, for the bundle.

// cacheContent is the JSON object in the cache file.
type cacheContent struct {
	Origin      string              `json:"origin"` // the address of the control plane
	Tenant      string              `json:"tenant"`
	Heard       aureus.Timestamp    `json:"heard"` // when the control plane last confirmed the rest
	Bundle      []byte              `json:"bundle"`
	Signature   []byte              `json:"signature,omitzero"`
	Stops       []aureus.PolicyStop `json:"stops"`
	StopsDigest aureus.Digest       `json:"stops_digest"`
}

// cached is a cache file that was read and checked.
type cached struct {
	bundle      *Bundle // nil: there is no file
	signature   []byte
	stops       []aureus.PolicyStop
	stopsDigest aureus.Digest
	heard       time.Time
}

const (
	maxCache      = 16 << 20 // bytes of the file
	maxKeepPause  = time.Minute
	maxClockSkew  = 5 * time.Minute
	keepsOfMaxAge = 10 // the file is at most this part of max_age behind
)

// readCache reads the cache file. Without one, the result has no bundle.
func (f *Follower) readCache() (cached, error) {
	if f.cache == "" {
		return cached{}, nil
	}
	text, err := readBounded(f.cache, maxCache)
	if errors.Is(err, fs.ErrNotExist) {
		return cached{}, nil
	}
	if err != nil {
		return cached{}, fmt.Errorf("policy: reading the cache file: %w", err)
	}
	kept, err := f.parseCache(text)
	if err != nil {
		return cached{}, fmt.Errorf("policy: the cache file %s is not usable: %w", f.cache, err)
	}
	return kept, nil
}

func (f *Follower) parseCache(text []byte) (cached, error) {
	sum, body, _ := bytes.Cut(text, []byte{'\n'})
	if want := sha256.Sum256(body); string(sum) != hex.EncodeToString(want[:]) {
		return cached{}, errors.New("its checksum is wrong; remove it")
	}
	var c cacheContent
	if err := strictjson.Unmarshal(body, &c); err != nil {
		return cached{}, err
	}
	heard, ok := c.Heard.Time()
	now := f.config.Now()
	switch {
	case c.Origin != f.client.BaseURL() || c.Tenant != f.tenant():
		return cached{}, fmt.Errorf("it is of the tenant %q at %s; use another file for each tenant and control plane", c.Tenant, c.Origin)
	case !ok || heard.After(now.Add(maxClockSkew)):
		return cached{}, fmt.Errorf("the time of the last contact in it, %q, is not in the past; set the clock, or remove the file", c.Heard)
	case heard.After(now):
		heard = now
	}
	bundle, err := f.parse(c.Bundle, c.Signature)
	if err != nil {
		return cached{}, err
	}
	return cached{bundle: bundle, signature: c.Signature, stops: c.Stops, stopsDigest: c.StopsDigest, heard: heard}, nil
}

func (f *Follower) tenant() string { return cmp.Or(f.config.Tenant, "default") }

// keep writes the cache file after a refresh, if something has changed or the time of the
// last contact in it is old.
func (f *Follower) keep(confirmed, changed bool) {
	pause := maxKeepPause
	if maxAge := f.engine.Bundle().maxAge; maxAge > 0 {
		pause = min(pause, maxAge/keepsOfMaxAge)
	}
	if !changed && (!confirmed || time.Unix(0, f.contact.Load()).Sub(f.kept) < pause) {
		return
	}
	if err := f.writeCache(); err != nil {
		f.config.Logger.Error("the cache file of the policy bundle could not be written", "file", f.cache, "error", err.Error())
	}
}

// writeCache replaces the cache file by the state now.
func (f *Follower) writeCache() error {
	if f.cache == "" {
		return nil
	}
	heard := time.Unix(0, f.contact.Load())
	body, err := strictjson.Marshal(cacheContent{
		Origin: f.client.BaseURL(), Tenant: f.tenant(), Heard: aureus.TimestampOf(heard),
		Bundle: f.engine.Bundle().text, Signature: f.signature, Stops: f.stops, StopsDigest: f.stopped.Load().digest,
	})
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	if err := replaceFile(f.cache, append(append(hex.AppendEncode(nil, sum[:]), '\n'), body...)); err != nil {
		return err
	}
	f.kept = heard
	return nil
}

// replaceFile replaces the file such that it has either the old or the new text at any
// time, also if the machine stops. Only the user of the process may read it.
func replaceFile(file string, text []byte) (err error) {
	folder := filepath.Dir(file)
	f, err := os.CreateTemp(folder, filepath.Base(file)+".*.tmp") // with mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err == nil {
		syncFolder(folder)
	}
	return err
}

// syncFolder makes the new name survive a stop of the machine, on systems that can do so.
func syncFolder(folder string) {
	if dir, err := os.Open(folder); err == nil { //nolint:gosec // the operator names the folder
		_ = dir.Sync() // not all systems can
		_ = dir.Close()
	}
}
