"""What the dialects are tested with: a corpus of files each, a grammar that makes random ones, and a fuzzer."""
