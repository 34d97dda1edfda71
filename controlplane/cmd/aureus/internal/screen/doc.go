// Package screen lays out text for a terminal: escaped, in columns, and wrapped at the
// width of the screen. No text that passes through it can move the cursor, change colors
// or the direction of writing, or hide characters.
package screen
