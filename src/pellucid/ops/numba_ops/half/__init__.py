"""Sixteen-bit floats: conversion, and convolutions that read and write them."""
