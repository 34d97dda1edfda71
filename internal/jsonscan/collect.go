package jsonscan

import "github.com/farmountain/aureus-go/internal/strictjson"

// Int reads a whole number that T can hold.
func Int[T int | int64](s *Scanner, v *T) bool {
	text, ok := s.number()
	if !ok {
		return false
	}
	n, ok := strictjson.Int(text)
	*v = T(n)
	return ok && int64(*v) == n
}

// ListOf reads an array whose items read reads.
func ListOf[T any](s *Scanner, v *[]T, read func(s *Scanner, item *T) bool) bool {
	list := []T{}
	ok := s.List(func() bool {
		list = append(list, *new(T))
		return read(s, &list[len(list)-1])
	})
	*v = list
	return ok
}

// MapOf reads an object of any names whose values read reads.
func MapOf[T any](s *Scanner, v *map[string]T, read func(s *Scanner, value *T) bool) bool { //nolint:gocritic // it fills the map in
	object := map[string]T{}
	*v = object
	var value T
	return s.Members(func(name string) bool {
		value = *new(T)
		if !read(s, &value) {
			return false
		}
		object[s.keep(name)] = value
		return true
	})
}

// Texts reads an array of strings.
func (s *Scanner) Texts(v *[]string) bool { return ListOf(s, v, (*Scanner).String) }
