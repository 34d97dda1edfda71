package jsonvalue

import (
	"errors"
	"fmt"
)

// The errors of [Split], for errors.Is.
var (
	ErrNoArray = errors.New("not one JSON array")
	ErrTooMany = errors.New("the array has too many items")
)

// The reasons for ErrNoArray.
var (
	errBrackets = errors.New("the brackets do not match")
	errCut      = errors.New("the text ends early")
	errItem     = errors.New("an item is missing")
	errAfter    = errors.New("there is text after the array")
	errStart    = errors.New("the text does not begin with [")
)

// Split splits the text of a JSON array into the texts of its items, which share
// the memory of the array. An array of more than limit items is [ErrTooMany]; a
// text that is not one array is [ErrNoArray].
//
// Split examines brackets, commas and quotes only. It does not check whether an item is
// valid JSON, so the caller can accept the valid items of an array and refuse the others.
func Split(array []byte, limit int) ([][]byte, error) {
	s := splitter{text: array}
	s.space()
	if s.at == len(array) || array[s.at] != '[' {
		return nil, fmt.Errorf("%w: %w", ErrNoArray, errStart)
	}
	s.at++
	s.space()
	items := [][]byte{}
	if s.at < len(array) && array[s.at] == ']' {
		s.at++
		return items, s.end()
	}
	for {
		item, err := s.item()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoArray, err)
		}
		if len(items) == limit {
			return nil, ErrTooMany
		}
		items = append(items, item)
		closed := array[s.at] == ']'
		s.at++
		if closed {
			return items, s.end()
		}
	}
}

type splitter struct {
	text []byte
	at   int
	open []byte // the closing brackets of the arrays and objects that are still open
}

// item reads one item. It stops at the comma or the bracket after it.
func (s *splitter) item() ([]byte, error) {
	s.space()
	start := s.at
	s.open = s.open[:0]
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; c {
		case '"':
			if !s.quoted() {
				return nil, errCut
			}
		case '[', '{':
			s.open = append(s.open, c+2) // ']' is '[' + 2 in ASCII, and '}' is '{' + 2
		case ']', '}', ',':
			if len(s.open) == 0 && c != '}' {
				return trimmed(s.text[start:s.at])
			}
			if c == ',' {
				continue
			}
			if len(s.open) == 0 || s.open[len(s.open)-1] != c {
				return nil, errBrackets
			}
			s.open = s.open[:len(s.open)-1]
		}
	}
	return nil, errCut
}

// quoted moves from the quote that begins a string to the quote that ends it. It returns
// false if there is no such quote.
func (s *splitter) quoted() bool {
	for s.at++; s.at < len(s.text); s.at++ {
		switch s.text[s.at] {
		case '\\':
			s.at++
		case '"':
			return true
		}
	}
	return false
}

func (s *splitter) space() {
	for s.at < len(s.text) && isSpace(s.text[s.at]) {
		s.at++
	}
}

func (s *splitter) end() error {
	s.space()
	if s.at < len(s.text) {
		return fmt.Errorf("%w: %w", ErrNoArray, errAfter)
	}
	return nil
}

func trimmed(item []byte) ([]byte, error) {
	for len(item) > 0 && isSpace(item[len(item)-1]) {
		item = item[:len(item)-1]
	}
	if len(item) == 0 {
		return nil, errItem
	}
	return item, nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
