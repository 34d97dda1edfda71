package policy

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// pollInterval is the time between two readings of a watched file.
const pollInterval = time.Second

// Watch returns an engine that decides by the bundle in a file, and reads the file each
// second until ctx ends. A changed file replaces the bundle as [Engine.Replace] does. A
// file that cannot be loaded changes nothing: the bundle in force stays, and
// Config.Logger gets one line for each new error. With keys, the file must be signed; see
// [ReadFile].
//
// Each reading that finds the bundle in force confirms it for its max_age. After ctx has
// ended, the engine still decides by the last bundle.
func Watch(ctx context.Context, file string, config Config, keys ...ed25519.PublicKey) (*Engine, error) {
	text, signature, err := readBundle(file, len(keys) > 0)
	if err != nil {
		return nil, err
	}
	bundle, err := parseFile(file, text, signature, keys)
	if err != nil {
		return nil, err
	}
	engine, err := New(bundle, config) // which logs the notes
	if err != nil {
		return nil, err
	}
	w := &watcher{engine: engine, file: file, keys: keys, last: contentOf(text, signature), loaded: bundle.digest}
	go w.run(ctx)
	return engine, nil
}

// watcher reads a file again and again.
type watcher struct {
	engine *Engine
	file   string
	keys   []ed25519.PublicKey

	last   [sha256.Size]byte // the content that was read last
	loaded aureus.Digest     // of its bundle; zero if it could not be loaded
	logged string            // the last error that was logged; empty after a success
}

// contentOf returns a value that differs for different files.
func contentOf(text, signature []byte) [sha256.Size]byte {
	sum := sha256.Sum256(text)
	return sha256.Sum256(append(sum[:], signature...))
}

func (w *watcher) run(ctx context.Context) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			w.poll()
		}
	}
}

// poll reads the file once.
func (w *watcher) poll() {
	text, signature, err := readBundle(w.file, len(w.keys) > 0)
	if err != nil {
		w.fail(err)
		return
	}
	if content := contentOf(text, signature); content != w.last {
		w.last, w.loaded = content, aureus.Digest{}
		w.load(text, signature)
		return
	}
	if !w.loaded.IsZero() && w.engine.Bundle().digest == w.loaded { // another part of the program may have replaced it
		w.logged = ""
		w.engine.heard.Store(w.engine.now().UnixNano())
	}
}

// load brings a changed file into force.
func (w *watcher) load(text, signature []byte) {
	bundle, err := parseFile(w.file, text, signature, w.keys)
	if err != nil {
		w.fail(err)
		return
	}
	old := w.engine.Bundle()
	replaced, err := w.engine.replace(bundle)
	if err != nil {
		w.fail(err)
		return
	}
	w.loaded, w.logged = bundle.digest, ""
	if replaced {
		w.engine.config.Logger.Info("the policy bundle was replaced", "file", w.file, "from", old.label, "to", bundle.label)
		logNotes(w.engine.config.Logger, bundle)
	}
}

// fail logs an error, once until it changes.
func (w *watcher) fail(err error) {
	if text := err.Error(); text != w.logged {
		w.logged = text
		w.engine.config.Logger.Error("the policy bundle could not be read; the one in force stays", "file", w.file, "bundle", w.engine.Bundle().label, "error", text)
	}
}
