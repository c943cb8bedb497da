"""Readers of files, one format each: IDX, folders of pictures, VOC, COCO."""
