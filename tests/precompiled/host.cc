// The target that tests/precompiled/tests.h is precompiled with.
int main() {}
